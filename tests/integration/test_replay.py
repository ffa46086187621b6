"""`lmac replay`: runs of a scripted server, done again in real boxes after the server has gone."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from command_line import Ended, Shell
from lmac.journal import JOURNAL_NAME, ORIGIN, PACK_NAME
from lmac.journal.event import make_line
from lmac.journal.reading import read_lines
from scripted_runs import (
    DONE,
    GREEN_FILES,
    MODULE,
    ONE_STEP,
    RED_FILES,
    SMALL_BOX,
    TESTS,
    report_of,
    write_profile,
    wrote,
)
from scripted_server import Says, Scripted, ScriptedServer

pytestmark = [pytest.mark.engine, pytest.mark.slow]

KEY = "sk-of-then-0123456789"
SUITE = b"from doubling import double\n\n\ndef test_it() -> None:\n    assert double(2) == 4\n"
COIN = f"""import secrets

{TESTS}

def test_tosses_a_coin() -> None:
    assert not secrets.token_hex(8)
"""


@contextmanager
def recorded(folder: Path, image_id: str, *script: Scripted) -> Iterator[Recorded]:
    """A finished run, whose server, profile and key have gone."""
    shell, name = Shell(folder), f"replayed-{secrets.token_hex(4)}"
    (folder / "suite").mkdir()
    (folder / "suite" / "test_it.py").write_bytes(SUITE)
    with ScriptedServer(list(script)) as server:
        profile = write_profile(folder, server.base_url, server={"api_key_env": "THEIR_KEY"})
        config = {
            "model": str(profile),
            "image": image_id,
            "box": SMALL_BOX,
            "machine": {"requirement_tries": 0},
        }
        (folder / "config.yaml").write_text(json.dumps(config))
        options = ("-c", "config.yaml", "--id", name, "--acceptance", "suite")
        ended = shell.lmac("run", "Write doubling.py with double().", *options, THEIR_KEY=KEY)
        # A script that is over stops its run.
        assert ended.code in (0, 1, 4), ended.stderr
    profile.unlink()
    yield Recorded(shell, folder / "runs" / name)


class Recorded:
    """A recording."""

    def __init__(self, shell: Shell, folder: Path) -> None:
        self.shell = shell
        self.folder = folder

    def replayed(self, *options: str) -> Ended:
        return self.shell.lmac("replay", self.folder.name, *options)

    def told(self, *options: str) -> Mapping[str, Any]:
        """What `--json` says."""
        ended = self.replayed("--json", *options)
        found: Mapping[str, Any] = json.loads(ended.stdout)
        assert ended.code == (0 if found["result"] == "identical" else 1), ended.stderr
        return found

    def files(self) -> Mapping[str, bytes]:
        return {str(path): path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}

    def forge(self, old: bytes, new: bytes) -> None:
        """Change what was recorded as somebody would who can reckon hashes."""
        chain, lines = ORIGIN, []
        for line in list(read_lines(self.folder)):
            data = json.loads(line.data_json.replace(old, new))
            event = line.event
            made = make_line(type(event)(event.seq, event.at, event.kind, data), line.pack_bytes, chain)
            chain = made.chain
            lines.append(made.encoded())
        (self.folder / JOURNAL_NAME).write_bytes(b"".join(lines))
        report = report_of(self.folder)
        report["journal_chain"] = chain
        (self.folder / "report.json").write_text(json.dumps(report))


def test_a_run_is_identical_without_its_server_and_key_and_is_left_as_it_was(
    tmp_path: Path, image_id: str
) -> None:
    with recorded(tmp_path, image_id, ONE_STEP, wrote(RED_FILES), wrote(GREEN_FILES), DONE) as run:
        before = run.files()
        ended = run.replayed()
        told = run.told("--on", image_id)

    assert ended.code == 0, ended.stderr
    assert "identical: " in ended.stdout
    assert "report" in ended.stderr
    assert run.files() == before
    assert (told["requests"], told["differences"], told["flaky"]) == (4, [], [])
    # Syntax, lint, tests and the rest of each report, and the suite at the end.
    assert told["verdicts"] > 6
    assert told["end"] == "the end of the run"


def test_a_verdict_that_was_forged_with_all_its_hashes_is_found(tmp_path: Path, image_id: str) -> None:
    with recorded(tmp_path, image_id, ONE_STEP, wrote(GREEN_FILES), DONE) as run:
        run.forge(
            b'["test_doubling.py::test_doubles","passed"', b'["test_doubling.py::test_doubles","xpassed"'
        )
        told = run.told("--keep-going")
        ended = run.replayed()

    assert {difference["what"] for difference in told["differences"]} == {"verdict"}
    first = told["differences"][0]
    assert first["kind"] == "report"
    assert first["detail"] == ["tests: test test_doubling.py::test_doubles", "- xpassed", "+ passed"]
    assert ended.code == 1
    assert "different: 1 difference" in ended.stdout
    assert "test_doubling.py::test_doubles" in ended.stdout


def test_a_prompt_that_was_another_one_is_shown_as_a_diff(tmp_path: Path, image_id: str) -> None:
    with recorded(tmp_path, image_id, ONE_STEP, wrote(GREEN_FILES), DONE) as run:
        run.forge(b"Write doubling.py with double().", b"Write doubling.py with triple().")
        ended = run.replayed()

    assert ended.code == 1
    assert "(request), prompt: " in ended.stdout
    assert "  -Write doubling.py with double()." in ended.stdout
    assert "  +Write doubling.py with triple()." in ended.stdout


def test_a_test_that_says_something_else_each_time_is_flaky_and_no_difference(
    tmp_path: Path, image_id: str
) -> None:
    files = {"doubling.py": MODULE, "test_doubling.py": COIN}
    with recorded(tmp_path, image_id, ONE_STEP, wrote(files), DONE) as run:
        ended = run.replayed()
        told = run.told()

    assert ended.code == 0, ended.stderr
    assert "identical, but for what changes its mind" in ended.stdout
    changes = [change for flaky in told["flaky"] for change in flaky["changes"]]
    assert {change["name"] for change in changes} == {"test_doubling.py::test_tosses_a_coin"}


def test_a_program_whose_output_differs_each_time_is_flaky(tmp_path: Path, image_id: str) -> None:
    program = {
        "doubling.py": f"{MODULE}\n\nif __name__ == '__main__':\n    import os\n    print(os.urandom(8))\n"
    }
    runs = Says("RUN doubling.py")
    with recorded(tmp_path, image_id, ONE_STEP, wrote(program), runs, DONE) as run:
        told = run.told()

    assert told["result"] == "identical"
    assert {flaky["kind"] for flaky in told["flaky"]} == {"job"}


def test_a_recording_that_was_changed_or_cut_is_refused(tmp_path: Path, image_id: str) -> None:
    with recorded(tmp_path, image_id, ONE_STEP, wrote(GREEN_FILES), DONE) as run:
        for name in (JOURNAL_NAME, PACK_NAME):
            path = run.folder / name
            whole = path.read_bytes()
            middle = len(whole) // 2
            path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
            run.replayed().complained(2, name, "changed")
            path.write_bytes(whole)
        journal = run.folder / JOURNAL_NAME
        journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-2]))
        run.replayed().complained(2, "2 of its", "cut off the end")


def test_a_run_that_was_stopped_is_compared_as_far_as_its_recording_goes(
    tmp_path: Path, image_id: str
) -> None:
    with recorded(tmp_path, image_id, ONE_STEP, wrote(GREEN_FILES), DONE) as run:
        lines = (run.folder / JOURNAL_NAME).read_bytes().splitlines(keepends=True)
        (run.folder / JOURNAL_NAME).write_bytes(b"".join(lines[: len(lines) * 2 // 3]) + lines[-1][:40])
        (run.folder / "report.json").unlink()
        ended = run.replayed()

    assert ended.code == 0, ended.stderr
    assert "identical: " in ended.stdout
    assert "The recording ends where the recording breaks off" in ended.stdout


def test_an_image_that_is_not_here_is_named_with_what_to_do(tmp_path: Path, image_id: str) -> None:
    with recorded(tmp_path, image_id, ONE_STEP, wrote(GREEN_FILES), DONE) as run:
        absent = f"sha256:{'0' * 64}"
        run.replayed("--on", absent).complained(5, absent)
        run.forge(f'"image_id":"{image_id}"'.encode(), f'"image_id":"{absent}"'.encode())
        run.replayed().complained(5, absent, "--on python")
        told = run.told("--on", image_id)

    assert told["result"] == "identical"
    assert (told["image_id"], told["recorded_image_id"]) == (image_id, absent)
