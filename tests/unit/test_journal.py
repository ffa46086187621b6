"""The journal: chained lines, contents by digest, and a disk that is full said plainly."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from job_results import job_result
from lmac.disk import full_disk_named
from lmac.errors import ConfigError, HostDiskFull
from lmac.journal import (
    JOURNAL_NAME,
    ORIGIN,
    PACK_NAME,
    BlobMissing,
    Event,
    Journal,
    pack,
    read_blob,
    read_journal,
    reading,
)
from lmac.recording.taped_evaluator import journal_job
from lmac_sandbox import Output


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A run folder with three events."""
    with Journal(tmp_path) as journal:
        journal.append("opened", task="a task")
        journal.append("said", text="Grüße, \u2028 and \ud800")
        journal.append("closed")
    return tmp_path


def lines_of(folder: Path) -> list[bytes]:
    return (folder / JOURNAL_NAME).read_bytes().splitlines(keepends=True)


def test_events_come_back_in_order_with_their_data(written: Path) -> None:
    events = list(read_journal(written))

    assert [(event.seq, event.kind) for event in events] == [(0, "opened"), (1, "said"), (2, "closed")]
    assert events[1].data == {"text": "Grüße, \u2028 and \ud800"}
    assert events[0].at.endswith("+00:00")


def test_each_line_is_chained_to_those_before_it(written: Path) -> None:
    chain = ORIGIN
    for line in lines_of(written):
        body, told = line.split(b',"chain":')
        chain = hashlib.sha256(chain.encode() + body).hexdigest()
        assert json.loads(told[: -len(b"}\n")]) == chain


def test_a_listener_is_told_of_every_event_after_it_was_written(tmp_path: Path) -> None:
    heard: list[tuple[Event, int]] = []
    with Journal(tmp_path, lambda event: heard.append((event, len(lines_of(tmp_path))))) as journal:
        events = [journal.append("one"), journal.append("two", number=2)]

    assert heard == [(events[0], 1), (events[1], 2)]


def test_a_journal_cut_at_any_byte_yields_the_events_before_the_cut(written: Path, tmp_path: Path) -> None:
    whole = (written / JOURNAL_NAME).read_bytes()
    events = list(read_journal(written))
    for size in range(len(whole)):
        (tmp_path / JOURNAL_NAME).write_bytes(whole[:size])
        assert list(read_journal(tmp_path)) == events[: whole[:size].count(b"\n")]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_changed_line_is_named(written: Path, number: int) -> None:
    lines = lines_of(written)
    lines[number - 1] = lines[number - 1].replace(b'"kind":"', b'"kind":"un')
    (written / JOURNAL_NAME).write_bytes(b"".join(lines))

    with pytest.raises(ConfigError, match=f"line {number}: changed"):
        list(read_journal(written))


@pytest.mark.parametrize("change", ["drop", "swap", "repeat"])
def test_lines_that_are_missing_or_moved_are_noticed(written: Path, change: str) -> None:
    one, two, three = lines_of(written)
    changed = {"drop": [one, three], "swap": [two, one, three], "repeat": [one, one, two, three]}[change]
    (written / JOURNAL_NAME).write_bytes(b"".join(changed))

    with pytest.raises(ConfigError, match=r"line \d: changed"):
        list(read_journal(written))


AT = "2026-01-01T00:00:00.000+00:00"


def chained(**changes: object) -> bytes:
    """A first line whose chain is right, as anybody can write it."""
    fields = {"seq": 0, "at": AT, "kind": "opened", "pack": 0, "data": {}} | changes
    body = json.dumps(fields, separators=(",", ":")).encode()[:-1]
    chain = hashlib.sha256(ORIGIN.encode() + body).hexdigest()
    return body + b',"chain":"%b"}\n' % chain.encode()


def test_a_chain_alone_makes_no_line(tmp_path: Path) -> None:
    (tmp_path / JOURNAL_NAME).write_bytes(chained())

    assert [event.kind for event in read_journal(tmp_path)] == ["opened"]


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": False},
        {"at": 1},
        {"at": "yesterday"},
        {"at": "2026-01-01"},
        {"kind": ["opened"]},
        {"pack": "0"},
        {"pack": -1},
        {"data": [1]},
        {"data": None},
    ],
    ids=str,
)
def test_a_line_with_a_right_chain_and_wrong_parts_is_named(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    (tmp_path / JOURNAL_NAME).write_bytes(chained(**changes))

    with pytest.raises(ConfigError, match="line 1: changed"):
        list(read_journal(tmp_path))


@pytest.mark.parametrize(("kind", "data"), [("stopped", {}), ("resumed", {}), ("resumed", {"after": "x"})])
def test_a_history_that_no_run_writes_is_named(tmp_path: Path, kind: str, data: dict[str, object]) -> None:
    with Journal(tmp_path) as journal:
        journal.append("opened")
        journal.append(kind, **data)

    with pytest.raises(ConfigError, match="not as a run writes them"):
        Journal.reopened(tmp_path)


def test_a_line_without_an_end_takes_no_more_memory_than_the_longest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_LINE_BYTES", 1000)
    (tmp_path / JOURNAL_NAME).write_bytes(chained() + b" " * 5000)

    with pytest.raises(ConfigError, match="line 2: longer than 1,000 bytes"):
        list(read_journal(tmp_path))


@pytest.mark.parametrize("named", ["", "no digest", "00", None, 7, ["a" * 64]], ids=str)
def test_what_is_no_digest_names_no_content(tmp_path: Path, named: str) -> None:
    with Journal(tmp_path) as journal:
        journal.keep(b"content")
        with pytest.raises(BlobMissing):
            journal.read(named)
    with pytest.raises(ConfigError, match="does not hold"):
        read_blob(tmp_path, named)


def test_a_content_never_blows_up_beyond_what_is_deflated_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(tmp_path) as journal:
        digest = journal.keep(bytes(100_000))
    assert (tmp_path / PACK_NAME).stat().st_size < 2000
    monkeypatch.setattr(pack, "_MOST_INFLATED_BYTES", 50_000)

    with Journal.reopened(tmp_path) as journal:
        with pytest.raises(BlobMissing):
            journal.read(digest)
        assert journal.keep(bytes(100_000)) == digest
        assert journal.read(digest) == bytes(100_000)
    assert (tmp_path / PACK_NAME).stat().st_size > 100_000


@pytest.mark.parametrize("line", [b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"prev": "x"', b"\x00"])
def test_a_line_that_is_none_of_ours_is_named(tmp_path: Path, line: bytes) -> None:
    (tmp_path / JOURNAL_NAME).write_bytes(line + b"\n")

    with pytest.raises(ConfigError, match="line 1"):
        list(read_journal(tmp_path))


def test_a_folder_without_a_journal_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=JOURNAL_NAME):
        list(read_journal(tmp_path / "absent"))


def test_a_folder_that_holds_a_journal_is_refused(written: Path) -> None:
    before = lines_of(written)
    with pytest.raises(ConfigError, match="holds a run already"):
        Journal(written)

    assert lines_of(written) == before


def test_what_is_kept_is_named_by_its_bytes_and_kept_once(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        digest = journal.keep("Grüße")
        assert journal.keep("Grüße".encode()) == digest
        journal.keep(b"")

    assert digest == hashlib.sha256("Grüße".encode()).hexdigest()
    assert read_blob(tmp_path, digest) == "Grüße".encode()
    assert read_blob(tmp_path, hashlib.sha256(b"").hexdigest()) == b""
    assert (tmp_path / PACK_NAME).read_bytes().count("Grüße".encode()) == 1


def test_a_changed_or_missing_content_is_named(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        digest = journal.keep(b"content")
    pack = tmp_path / PACK_NAME
    whole = pack.read_bytes()
    pack.write_bytes(whole.replace(b"content", b"another"))

    with pytest.raises(ConfigError, match=digest):
        read_blob(tmp_path, digest)
    pack.write_bytes(whole[:-1])
    with pytest.raises(ConfigError, match=digest):
        read_blob(tmp_path, digest)
    pack.unlink()
    with pytest.raises(ConfigError, match=PACK_NAME):
        read_blob(tmp_path, digest)


@pytest.mark.parametrize(
    "left", [b"", b'{"seq":1,"at', b'{"seq":1,"at":"","kind":"said","prev":"0","data":{}}\n']
)
def test_what_an_interrupted_append_left_is_gone_with_the_next_one(tmp_path: Path, left: bytes) -> None:
    with Journal(tmp_path) as journal:
        journal.append("opened")
        # As a Ctrl-C leaves it that comes between the write and its note.
        with (tmp_path / JOURNAL_NAME).open("ab") as file:
            file.write(left)
        journal.append("closed")
        journal.append("closed again")

    assert [(event.seq, event.kind) for event in read_journal(tmp_path)] == [
        (0, "opened"),
        (1, "closed"),
        (2, "closed again"),
    ]


def test_a_full_disk_is_said_plainly_with_the_folder(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        # The kernel's own full device, in place of the journal's file.
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, journal._file)
        os.close(full)
        with pytest.raises(HostDiskFull) as error:
            journal.append("event")

    assert str(tmp_path) in error.value.message
    assert "runs_folder" in error.value.next_step


def test_after_an_event_that_had_no_space_no_other_is_written(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        own = os.dup(journal._file)
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, journal._file)
        with pytest.raises(HostDiskFull):
            journal.append("event")
        os.dup2(own, journal._file)
        with pytest.raises(HostDiskFull):
            journal.append("another")
        os.close(own)
        os.close(full)

    assert list(read_journal(tmp_path)) == []


def test_what_a_process_that_was_killed_had_not_synced_is_synced_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(tmp_path) as journal:
        journal.append("opened", text=journal.keep(b"content"))
    synced: list[str] = []
    kernel = os.fdatasync

    def noting(descriptor: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        kernel(descriptor)

    monkeypatch.setattr(os, "fdatasync", noting)
    with Journal.reopened(tmp_path) as journal:
        journal.append("opened", text=journal.keep(b"content"))
        journal.append("reply")
        journal.sync()

    assert synced == [PACK_NAME, JOURNAL_NAME]


def test_a_content_for_which_there_is_no_space_is_not_kept(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"content").hexdigest()
    with Journal(tmp_path) as journal:
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, journal._pack._file)
        os.close(full)
        with pytest.raises(HostDiskFull, match=str(tmp_path)):
            journal.keep(b"content")

    with pytest.raises(ConfigError, match=digest):
        read_blob(tmp_path, digest)


def test_other_faults_of_the_disk_keep_their_own_name(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), full_disk_named(tmp_path):
        raise PermissionError(errno.EACCES, "no")
    with pytest.raises(HostDiskFull), full_disk_named(tmp_path):
        raise OSError(errno.EDQUOT, "quota")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


# Each example waits for the disk.
@settings(deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(["a", "b", "text"]), JSON, max_size=3), max_size=4))
def test_whatever_is_journalled_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, events: list[dict[str, object]]
) -> None:
    folder = tmp_path_factory.mktemp("run")
    with Journal(folder) as journal:
        for data in events:
            journal.append("event", **data)

    assert [event.data for event in read_journal(folder)] == events


@pytest.mark.parametrize(("tail", "parts"), [(b"", [b"head"]), (b"tail", [b"head", b"tail"])])
def test_raw_output_is_kept_in_its_parts_and_says_where_it_was_cut(
    tmp_path: Path, tail: bytes, parts: list[bytes]
) -> None:
    result = replace(job_result(""), stdout=Output(b"head", tail, 4 + 1000 * len(tail)))
    journal_job(Journal(tmp_path), "tests", "d", result)
    (event,) = read_journal(tmp_path)
    stdout = event.data["streams"].pop("stdout")

    assert [read_blob(tmp_path, digest) for digest in stdout["sha256"]] == parts
    assert stdout["total_bytes"] == 4 + 1000 * len(tail)
    assert event.data["streams"] == {}
