"""Journals and contents that were changed or cut: every single byte is noticed, and its place named."""

from __future__ import annotations

import random
import re
import shutil
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path

import pytest

from crashed_runs import Crash, Runs, left_by, random_order
from lmac.commands.verify import show_verified
from lmac.errors import ConfigError
from lmac.journal import JOURNAL_NAME, PACK_NAME, Journal
from lmac.journal.pack import Pack
from lmac.journal.reading import read_lines
from lmac.report.result import RESULT_NAME
from lmac.report.verifying import known_end, verify_run

SEED = 5
"""Of a run of some forty events."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has ended."""
    folder = tmp_path_factory.mktemp("verified") / "whole"
    with pytest.MonkeyPatch.context() as monkeypatch:
        Runs(monkeypatch, *random_order(SEED)).begin(folder)
    return folder


@pytest.fixture
def copied(whole: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    folder = tmp_path / "changed"
    folder.mkdir()
    for name in (JOURNAL_NAME, PACK_NAME, RESULT_NAME):
        shutil.copyfile(whole / name, folder / name)
    return folder


def told_of(folder: Path, *, contents: bool = True) -> str:
    """What is said of a run that is not as it was written."""
    with pytest.raises(ConfigError) as error:
        verify_run(folder, contents=contents)
    return error.value.message


def record_starts(folder: Path) -> list[int]:
    """Where each record of the pack begins."""
    pack = Pack(folder, writes=False)
    header_bytes = min(place.start for place in pack._places.values())
    pack.close()
    return sorted(place.start - header_bytes for place in pack._places.values())


def test_a_run_that_is_as_it_was_written_is_told_so(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verified = verify_run(whole)

    assert len(verified.lines) == len(list(read_lines(whole)))
    assert verified.pack_bytes == (whole / PACK_NAME).stat().st_size
    assert (verified.torn_line_bytes, verified.lost_pack_bytes) == (0, 0)
    assert show_verified(str(whole), Path("runs"), as_json=False) == 0
    assert "are as they were written" in capsys.readouterr().out


@pytest.mark.parametrize("flips", [50, pytest.param(1000, marks=pytest.mark.slow)])
def test_every_flipped_byte_is_noticed_and_its_place_is_named(copied: Path, flips: int) -> None:
    dice = random.Random(1)
    sizes = [len(line) for line in (copied / JOURNAL_NAME).read_bytes().splitlines(keepends=True)]
    lines, records = [0, *accumulate(sizes)], record_starts(copied)
    for number in range(flips):
        path = copied / (JOURNAL_NAME, PACK_NAME)[number % 2]
        content = bytearray(path.read_bytes())
        place = dice.randrange(len(content))
        content[place] ^= dice.randrange(1, 256)
        was = path.read_bytes()
        path.write_bytes(content)
        told = told_of(copied)
        path.write_bytes(was)
        if path.name == PACK_NAME:
            begins = records[bisect_right(records, place) - 1]
            assert f"{path}: changed or cut after byte {begins}," in told
        elif place == lines[-1] - 1:
            assert f"{path}: 1 of its {len(sizes)} lines were cut off the end" in told
        else:
            assert f"{path}, line {bisect_right(lines, place)}: changed" in told


def test_each_bit_of_a_content_counts_even_those_that_unpacking_does_not_look_at(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.keep(b"a text that is deflated " * 20)
        journal.append("run_closed")
        journal.append("another")
    pack = tmp_path / PACK_NAME
    whole = pack.read_bytes()
    for place in range(len(whole)):
        for bit in range(8):
            changed = bytearray(whole)
            changed[place] ^= 1 << bit
            pack.write_bytes(changed)
            assert "changed or cut after byte 0" in told_of(tmp_path)


def test_lines_that_were_cut_off_the_end_of_a_finished_run_are_counted(copied: Path) -> None:
    journal = copied / JOURNAL_NAME
    lines = journal.read_bytes().splitlines(keepends=True)
    for left in range(len(lines)):
        journal.write_bytes(b"".join(lines[:left]))
        missing = f"{len(lines) - left} of its {len(lines)} lines were cut off the end"
        assert missing in told_of(copied, contents=False)
        with pytest.raises(ConfigError, match=re.escape(missing)):
            Journal.reopened(copied, end=known_end(copied))


def test_a_finished_run_that_was_cut_within_a_line_is_named_too(copied: Path) -> None:
    journal, dice = copied / JOURNAL_NAME, random.Random(2)
    whole = journal.read_bytes()
    for size in dice.sample(range(len(whole)), 50):
        journal.write_bytes(whole[:size])
        assert "were cut off the end" in told_of(copied, contents=False)


def test_contents_that_were_cut_off_the_end_are_noticed_without_reading_them(copied: Path) -> None:
    pack, dice, records = copied / PACK_NAME, random.Random(3), record_starts(copied)
    whole = pack.read_bytes()
    for size in [*records, *dice.sample(range(len(whole)), 50)]:
        pack.write_bytes(whole[:size])
        begins = max(start for start in [*records, len(whole)] if start <= size)
        assert f"changed or cut after byte {begins}," in told_of(copied, contents=False)
    pack.unlink()
    assert PACK_NAME in told_of(copied, contents=False)


def test_a_result_that_is_not_the_journals_is_noticed(copied: Path) -> None:
    result = copied / RESULT_NAME
    text = result.read_text("utf-8")
    end = known_end(copied)
    assert end is not None
    result.write_text(text.replace(end.chain, "0" * 64), "utf-8")
    assert f"line {end.events}: this is not the journal" in told_of(copied)
    (outcome,) = re.findall(r'"outcome": "([^"]+)"', text)
    other = "interrupted" if outcome != "interrupted" else "completed"
    result.write_text(text.replace(f'"outcome": "{outcome}"', f'"outcome": "{other}"'), "utf-8")
    assert f"{result}: it tells the outcome {other!r}" in told_of(copied)


def test_what_a_power_cut_takes_from_an_unfinished_run_is_said_and_no_fault(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = list(read_lines(whole))
    reply = next(number for number, line in enumerate(lines) if line.event.kind == "reply")
    kept = next(line.pack_bytes for line in lines if line.pack_bytes > lines[reply + 1].pack_bytes)
    journal_bytes = sum(len(line.encoded()) for line in lines[: reply + 2])
    folder = left_by(whole, Crash(journal_bytes + 30, kept - 3), tmp_path / "died")
    verified = verify_run(folder)

    assert (len(verified.lines), verified.torn_line_bytes) == (reply + 2, 30)
    assert verified.lost_pack_bytes > 0
    assert show_verified(str(folder), Path("runs"), as_json=False) == 0
    told = capsys.readouterr().out
    assert "A last line of 30 bytes was not written whole" in told
    assert "lmac resume died" in told


def test_a_reply_whose_text_was_not_yet_on_disk_is_no_fault_until_something_followed_it(
    whole: Path, tmp_path: Path
) -> None:
    lines = list(read_lines(whole))
    number = next(number for number, line in enumerate(lines) if line.event.kind == "reply")
    before = lines[number - 1].pack_bytes
    sizes = [len(line.encoded()) for line in lines]
    died = left_by(whole, Crash(sum(sizes[: number + 1]), before), tmp_path / "died")
    assert len(verify_run(died).lines) == number + 1
    followed = left_by(whole, Crash(sum(sizes[: number + 2]), before), tmp_path / "followed")
    assert f"changed or cut after byte {before}" in told_of(followed)
