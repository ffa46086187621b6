"""Generated code lies under runs/: none of our own tools imports, collects or even reads it."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@pytest.fixture
def planted() -> Iterator[Path]:
    """A run's folder whose every file leaves a mark when it is executed, and offends every checker."""
    folder = CHECKOUT / "runs" / f"hostile-{secrets.token_hex(4)}"
    made_runs = not folder.parent.exists()
    files = folder / "files"
    files.mkdir(parents=True)
    offence = f"import os\nopen({str(folder / 'mark')!r}, 'w')\nnumber: int = 'text'\nundefined_name\n"
    for name in ("conftest.py", "test_hostile.py", "module.py", "sitecustomize.py", "setup.py"):
        (files / name).write_text(offence)
    (files / "pytest.ini").write_text("[pytest]\npython_files = *.py\n")
    (files / "broken.py").write_text("def (:\n")
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
        if made_runs:
            folder.parent.rmdir()


def _said(*command: str | Path) -> str:
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, encoding="utf-8", check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "command",
    [
        (sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"),
        (BIN / "ruff", "check", "--no-cache", "."),
        (BIN / "ruff", "format", "--check", "--no-cache", "."),
        (BIN / "mypy", "--cache-dir", CHECKOUT / ".mypy_cache"),
    ],
    ids=["pytest", "ruff check", "ruff format", "mypy"],
)
def test_no_tool_of_ours_looks_at_what_a_run_left(planted: Path, command: tuple[str | Path, ...]) -> None:
    said = _said(*command)

    assert planted.name not in said
    assert not (planted / "mark").exists()


def test_the_planted_files_are_as_hostile_as_they_should_be(planted: Path) -> None:
    files = planted / "files"

    assert "undefined_name" in _said(BIN / "ruff", "check", "--no-cache", "--isolated", files)
    _said(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", files)
    assert (planted / "mark").exists()


def test_git_does_not_see_what_a_run_left(planted: Path) -> None:
    assert planted.name not in _said("git", "status", "--porcelain", "--untracked-files=all")
