"""What the cache keeps of builds: found by recipe, dropped by age and name, never trusted half written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lmac_sandbox.image_cache import BuiltImage, bytecode_path, keep_archive, prune_cache, recorded_image

LAYERS = [("sha256:a", 10), ("sha256:b", 20), ("sha256:c", 30), ("sha256:d", 40)]


def kept(cache: Path, name: str, number: int) -> BuiltImage:
    """One build of an image, of a thousand bytes, made at second `number`."""
    cache.mkdir(exist_ok=True)
    made = cache / "made.tar"
    made.write_bytes(b"x" * 1000)
    built = keep_archive(cache, name, f"recipe-{name}-{number}", f"sha256:{number:064d}"[::-1], made, LAYERS)
    os.utime(built.archive_path, (number, number))
    return built


def found(cache: Path, name: str, number: int) -> BuiltImage | None:
    return recorded_image(cache, f"recipe-{name}-{number}", ())


def test_a_build_is_found_by_its_recipe_as_long_as_its_archive_is_there(tmp_path: Path) -> None:
    built = kept(tmp_path, "python", 1)

    assert found(tmp_path, "python", 1) == built
    assert built.size_bytes == 100
    built.archive_path.unlink()
    assert found(tmp_path, "python", 1) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"archive": 1}', "\x00" * 40])
def test_a_record_that_a_power_cut_left_half_written_is_none(tmp_path: Path, content: str) -> None:
    kept(tmp_path, "python", 1)
    (tmp_path / "images" / "recipe-python-1.json").write_text(content)

    assert found(tmp_path, "python", 1) is None


def test_a_build_of_other_layers_than_the_lock_pins_is_none(tmp_path: Path) -> None:
    built = kept(tmp_path, "python", 1)

    assert recorded_image(tmp_path, "recipe-python-1", ("a", None, "c")) == built
    assert recorded_image(tmp_path, "recipe-python-1", ("a", "other", None)) is None


def test_the_newest_builds_of_a_name_stay_and_those_of_a_longer_name_are_not_counted(tmp_path: Path) -> None:
    for number in (1, 2):
        kept(tmp_path, "python-web", number)
    for number in (3, 4, 5):
        kept(tmp_path, "python", number)

    assert [found(tmp_path, "python-web", number) is not None for number in (1, 2)] == [True, True]
    assert [found(tmp_path, "python", number) is not None for number in (3, 4, 5)] == [False, True, True]


def test_pruning_frees_what_no_recipe_gives_and_no_package(tmp_path: Path) -> None:
    old, current = kept(tmp_path, "python", 1), kept(tmp_path, "python", 2)
    old_bytecode, bytecode = (bytecode_path(tmp_path, (digit,)) for digit in "12")
    package = tmp_path / "packages" / "1"
    for path in (old_bytecode, bytecode, package):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"y" * 500)
    record_bytes = (tmp_path / "images" / "recipe-python-1.json").stat().st_size

    def pruned(dry_run: bool) -> int:
        return prune_cache(tmp_path, {current.archive_path}, {"recipe-python-2"}, {bytecode}, dry_run=dry_run)

    assert pruned(dry_run=True) == 1500 + record_bytes
    assert old.archive_path.exists()
    assert pruned(dry_run=False) == 1500 + record_bytes
    assert pruned(dry_run=False) == 0
    assert found(tmp_path, "python", 2) == current
    assert [path.exists() for path in (old.archive_path, old_bytecode, bytecode, package)] == [
        False,
        False,
        True,
        True,
    ]


def test_pruning_by_name_leaves_other_names(tmp_path: Path) -> None:
    mine, other = kept(tmp_path, "python", 1), kept(tmp_path, "python-web", 2)

    prune_cache(tmp_path, (), (), (), names=("python",))

    assert (mine.archive_path.exists(), other.archive_path.exists()) == (False, True)


def test_a_cache_that_was_never_used_has_nothing_to_prune(tmp_path: Path) -> None:
    assert prune_cache(tmp_path / "none", (), (), ()) == 0
