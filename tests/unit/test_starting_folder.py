"""What of a folder enters the store: regular text files, nothing behind a link; the rest is listed."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from lmac import starting_folder
from lmac.errors import ConfigError
from lmac.starting_folder import MOST_RULES, MOST_STARS, Start, load_start
from lmac_sandbox import StoreLimits

SMALL = StoreLimits(store_bytes=4096, store_files=20, file_bytes=1000)


def made(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def left_out(start: Start) -> dict[str, str]:
    return {one.path: one.reason for one in start.left_out}


def test_regular_files_are_taken_byte_for_byte(tmp_path: Path) -> None:
    files = {"a.py": "X = 1\r\n", "pkg/deep/größe.md": "# ü\n", "empty": "", "run.sh": "#!/bin/sh\n"}
    start = load_start(made(tmp_path, files), SMALL)

    assert {path: content.decode() for path, content in start.files.items()} == files
    assert start.left_out == ()


def test_no_link_is_followed_and_nothing_but_a_file_is_opened(tmp_path: Path) -> None:
    outside = made(tmp_path / "outside", {"secret.txt": "secret"})
    folder = made(tmp_path / "inside", {"a.txt": "a"})
    (folder / "link.txt").symlink_to(outside / "secret.txt")
    (folder / "folder").symlink_to(outside)
    (folder / "gone").symlink_to("nowhere")
    (folder / "round").symlink_to(".")
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket"))
        start = load_start(folder, SMALL)

    assert start.files == {"a.txt": b"a"}
    assert left_out(start) == {
        **dict.fromkeys(("folder", "gone", "link.txt", "round"), "a link; links are not followed"),
        **dict.fromkeys(("pipe", "socket"), "no regular file"),
    }


def test_a_gitignore_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    folder = made(tmp_path / "inside", {"a.txt": "a", "b.txt": "b"})
    rules = made(tmp_path / "outside", {"rules": "a.txt\n"}) / "rules"
    (folder / ".gitignore").symlink_to(rules)

    assert sorted(load_start(folder, SMALL).files) == ["a.txt", "b.txt"]


def test_gits_own_and_ignored_files_stay_where_they_are(tmp_path: Path) -> None:
    files = {
        ".git/config": "x",
        ".gitignore": "*.log\n/build/\n!keep.log\nnode_modules\n",
        "a.log": "",
        "keep.log": "",
        "build/x.py": "",
        "src/build/y.py": "",
        "src/node_modules/z.js": "",
        "src/.gitignore": "keep.log\n!b.log\n",
        "src/b.log": "",
        "src/keep.log": "",
    }
    start = load_start(made(tmp_path, files), SMALL)

    assert sorted(start.files) == [".gitignore", "keep.log", "src/.gitignore", "src/b.log", "src/build/y.py"]
    assert left_out(start) == {
        ".git": "git's own",
        **dict.fromkeys(("a.log", "build", "src/keep.log", "src/node_modules"), "ignored by .gitignore"),
    }


def test_rules_that_would_take_long_are_listed_and_not_applied(tmp_path: Path) -> None:
    slow = "*a" * (MOST_STARS + 1)
    start = load_start(made(tmp_path, {".gitignore": f"{slow}\n*.log\n", "a" * 90: "x", "b.log": ""}), SMALL)

    assert sorted(start.files) == [".gitignore", "a" * 90]
    assert f"its rule {slow!r}: more than {MOST_STARS} wildcards" in left_out(start)[".gitignore"]


def test_of_a_flood_of_rules_the_first_are_applied_and_the_rest_is_listed(tmp_path: Path) -> None:
    rules = "".join(f"f{number}\n# said\n" for number in range(MOST_RULES + 2))
    files = {".gitignore": rules, "f1": "x", f"f{MOST_RULES - 1}": "x", f"f{MOST_RULES}": "x"}
    start = load_start(made(tmp_path, files), StoreLimits())

    assert sorted(start.files) == [".gitignore", f"f{MOST_RULES}"]
    assert f"its rules from 'f{MOST_RULES}' on: more than 1,000" in left_out(start)[".gitignore"]


def test_rules_and_entries_that_together_take_long_end_with_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting_folder, "RULES_SECONDS", 0.05)
    slow = "".join(f"a*a*a*a*{number}b\n" for number in range(900))
    names = [f"{'a' * 90}{number}" for number in range(9)]
    files = {"sub/.gitignore": slow, **dict.fromkeys((f"sub/{name}" for name in names), "x")}
    with pytest.raises(ConfigError, match=r"\.gitignore files take longer than 0\.05 s") as error:
        load_start(made(tmp_path, files), StoreLimits())

    assert "shorten sub/.gitignore" in error.value.next_step


def test_what_the_store_would_not_take_is_listed_with_its_reason(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "ok.txt": "x",
        "picture.png": b"\x89PNG\xff",
        "null.txt": b"a\0b",
        "long.txt": "x" * 1001,
    }
    folder = made(tmp_path, {**files, "a\nb": "x", ".lmac-x": "x", "A.txt": "1", "a.txt": "2"})
    (folder / os.fsdecode(b"\xff.txt")).write_bytes(b"x")
    start = load_start(folder, SMALL)
    told = left_out(start)

    assert sorted(start.files) == ["A.txt", "ok.txt"]
    assert told["picture.png"] == told["null.txt"] == "no text in UTF-8"
    assert "larger than 1,000 bytes (key `store.file_bytes`)" in told["long.txt"]
    assert "the store takes it and A.txt for one file" in told["a.txt"]
    assert "forbidden character U+000A" in told["a\nb"]
    assert "reserved" in told[".lmac-x"]
    assert "a name that no store takes" in told["\udcff.txt"]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({f"{number}.txt": "x" * 900 for number in range(6)}, "4,096 bytes (key `store.store_bytes`)"),
        ({f"{number}.txt": "x" for number in range(21)}, "20 files (key `store.store_files`)"),
    ],
    ids=["bytes", "files"],
)
def test_a_folder_that_does_not_fit_is_refused_whole(
    tmp_path: Path, files: dict[str, str], told: str
) -> None:
    with pytest.raises(ConfigError) as error:
        load_start(made(tmp_path, files), SMALL)

    assert told in error.value.message
    assert ".gitignore" in error.value.next_step


def test_what_is_no_folder_or_holds_nothing_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "gone", made(tmp_path, {"file": "x"}) / "file"):
        with pytest.raises(ConfigError, match=r"--from .*(No such|Not a directory)"):
            load_start(path, SMALL)
    (tmp_path / "empty" / ".git").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"none of its files can be taken \(\.git: git's own\)"):
        load_start(tmp_path / "empty", SMALL)
