"""Real runs of a real model, kept under tests/recordings, done again end to end without it.

A recording says by itself what it was made of: task, config, prompts and suites are read from it, so that
changes of those files leave it as it is. It is executed in the image of today (`--on`), for that of then may
be gone; a check that says something else in it is a difference like any other. What a change of the machine
itself makes different (how windows are put together, what is decided, what checks say) shows here first: if
it is meant, `make record` records all of them anew, by running `lmac run`. None is ever edited by hand.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from command_line import Shell
from lmac.journal import JOURNAL_NAME, PACK_NAME

pytestmark = pytest.mark.engine

RECORDINGS = Path(__file__).parents[1] / "recordings"
NAMES = sorted(journal.parent.name for journal in RECORDINGS.glob(f"*/{JOURNAL_NAME}"))
MOST_BYTES = 200_000
CHANGED = "the machine no longer does what it was recorded doing; if that is meant: `make record`"


def test_there_are_recordings() -> None:
    assert {"small-greeting", "small-stack-queue"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_run_is_identical_in_today_s_image_without_its_model(
    name: str, tmp_path: Path, image_id: str
) -> None:
    shell = Shell(tmp_path, {"LMAC_CACHE": str(tmp_path / "without-weights")})
    ended = shell.lmac("replay", str(RECORDINGS / name), "--on", image_id, "--keep-going", wall_seconds=120)

    assert ended.code == 0, f"{CHANGED}\n{ended.stdout}\n{ended.stderr}"
    assert "identical: " in ended.stdout, f"{CHANGED}\n{ended.stdout}"
    assert list(tmp_path.iterdir()) == []


def test_recordings_with_verdicts_are_among_them(tmp_path: Path, image_id: str) -> None:
    folder = str(RECORDINGS / "small-stack-queue")
    told = json.loads(Shell(tmp_path).lmac("replay", folder, "--on", image_id, "--json").stdout)

    assert told["requests"] > 1, CHANGED
    assert told["verdicts"] > 3, CHANGED


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_small_and_tells_nothing_of_the_machine_that_made_it(name: str) -> None:
    files = [path for path in (RECORDINGS / name).iterdir() if path.is_file()]

    assert {path.name for path in files} == {JOURNAL_NAME, PACK_NAME, "report.json"}
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
    told = b"".join(path.read_bytes() for path in files if path.name != PACK_NAME)
    assert b"/home/" not in told
    assert b"/root/" not in told


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("part", [JOURNAL_NAME, PACK_NAME])
def test_a_recording_of_which_one_bit_was_changed_is_refused(name: str, part: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    shutil.copytree(RECORDINGS / name, folder)
    whole = bytearray((folder / part).read_bytes())
    whole[len(whole) // 3] ^= 4
    (folder / part).write_bytes(whole)

    Shell(tmp_path).lmac("replay", name, "--runs-folder", ".").complained(2, part, "changed")
