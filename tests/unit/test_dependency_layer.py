"""Wheels that may be anybody's: what is unpacked, what is left out, and what is refused unread."""

from __future__ import annotations

import io
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from lmac_sandbox import DependencyRefused
from lmac_sandbox.dependency_layer import LayerFacts, LayerLimits, write_dependency_layer
from wheel_index import keep_wheels, wheel

STANDARD = frozenset({"random", "json"})
LIMITS = LayerLimits(unpacked_bytes=100_000, files=50)
FOLDER = "opt/dependencies/"


def unpacked(folder: Path, contents: dict[str, bytes], limits: LayerLimits = LIMITS) -> LayerFacts:
    folder.mkdir(exist_ok=True)
    return write_dependency_layer(keep_wheels(folder, contents), STANDARD, limits, folder / "layer.tar")


def members(folder: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(folder / "layer.tar", "r:") as layer:
        return {member.name: member for member in layer}


def with_member(
    name: str, change: Callable[[zipfile.ZipInfo], object], method: int = zipfile.ZIP_STORED
) -> bytes:
    """A wheel with one member that no builder writes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.compress_type = method
        change(info)
        archive.writestr(info, b"content", method)
    return content.getvalue()


def test_packages_lie_in_one_folder_of_roots_that_nobody_writes(tmp_path: Path) -> None:
    files = {"alpha/__init__.py": "x = 1\n", "alpha-1.0.data/purelib/beta.py": "", "alpha/tool": "#!"}
    facts = unpacked(tmp_path, {"a.whl": wheel("alpha", files=files)})

    found = members(tmp_path)
    assert {f"{FOLDER}alpha/__init__.py", f"{FOLDER}beta.py", "opt", "opt/dependencies"} <= set(found)
    assert {(member.uid, member.gid, member.mode & 0o7022) for member in found.values()} == {(0, 0, 0)}
    assert facts.files == sum(member.isreg() for member in found.values())


def test_the_same_wheels_give_the_same_layer(tmp_path: Path) -> None:
    contents = {name: wheel(name) for name in ("alpha", "beta", "gamma")}

    first = unpacked(tmp_path / "first", contents)
    os.utime(tmp_path / "first" / "alpha", (1, 1))
    second = unpacked(tmp_path / "second", dict(reversed(contents.items())))

    assert first == second
    assert first.digest != unpacked(tmp_path / "third", {"alpha": contents["alpha"]}).digest


def compiled(*names: str) -> Callable[[Path, IO[bytes]], None]:
    """A compiler that gives these files, whatever the sources are."""

    def compile_them(layer_path: Path, output: IO[bytes]) -> None:
        assert layer_path.stat().st_size > 0
        with tarfile.open(fileobj=output, mode="w") as tar:
            for name in names:
                info = tarfile.TarInfo(f"bytecode/{name}")
                info.type = tarfile.SYMTYPE if name.endswith("link.cpython-311.pyc") else tarfile.REGTYPE
                tar.addfile(info, io.BytesIO(b""))

    return compile_them


def test_of_a_compiler_only_the_bytecode_of_modules_that_are_there_is_taken(tmp_path: Path) -> None:
    files = {"alpha/__init__.py": "", "link.py": "", "beta.txt": ""}
    compiler = compiled(
        f"{FOLDER}alpha/__pycache__/__init__.cpython-311.pyc",
        f"{FOLDER}alpha/__pycache__/other.cpython-311.pyc",
        f"{FOLDER}__pycache__/link.cpython-311.pyc",
        f"{FOLDER}__pycache__/beta.cpython-311.pyc",
        f"{FOLDER}alpha/__init__.cpython-311.pyc",
        f"{FOLDER}../../usr/lib/__pycache__/json.cpython-311.pyc",
        "usr/lib/python3/__pycache__/alpha.cpython-311.pyc",
        "sitecustomize.py",
    )
    wheels = keep_wheels(tmp_path, {"a.whl": wheel("alpha", files=files)})

    write_dependency_layer(wheels, STANDARD, LIMITS, tmp_path / "layer.tar", compiler)

    found = {name for name, member in members(tmp_path).items() if not member.isdir()}
    assert {name for name in found if name.endswith((".pyc", "sitecustomize.py"))} == {
        f"{FOLDER}alpha/__pycache__/__init__.cpython-311.pyc"
    }
    assert f"{FOLDER}alpha/__init__.py" in found


def test_a_compiler_that_gives_no_archive_is_refused(tmp_path: Path) -> None:
    def babble(layer_path: Path, output: IO[bytes]) -> None:
        output.write(b"x" * 600)

    wheels = keep_wheels(tmp_path, {"a.whl": wheel("alpha")})
    with pytest.raises(DependencyRefused, match="gave no archive"):
        write_dependency_layer(wheels, STANDARD, LIMITS, tmp_path / "layer.tar", babble)


def test_programs_scripts_and_files_beside_the_packages_are_left_out(tmp_path: Path) -> None:
    beside = ("scripts/run", "data/etc/profile", "headers/x.h")
    files = {f"alpha-1.0.data/{name}": "x" for name in beside}
    files |= {"alpha.pth": "import os", "__pycache__/alpha.cpython-311.pyc": "x", "alpha.py": ""}
    unpacked(tmp_path, {"a.whl": wheel("alpha", files=files)})

    regular = {name for name, member in members(tmp_path).items() if member.isreg()}
    assert regular == {f"{FOLDER}alpha.py"} | {
        f"{FOLDER}alpha-1.0.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD")
    }


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "alpha/../../x",
        "/etc/passwd",
        "alpha//x.py",
        "./alpha.py",
        "alpha\\x.py",
        "alpha\n.py",
        "alpha\x1b[2J.py",
        "alpha\u202e.py",
        "a" * 300,
        "alpha-1.0.data/purelib/../../x",
        "alpha-1.0.data/platlib/",
    ],
)
def test_a_path_that_has_no_place_is_refused(name: str, tmp_path: Path) -> None:
    content = with_member(name if not name.endswith("/") else f"{name}/x", lambda info: None)

    with pytest.raises(DependencyRefused, match="has no place") as refused:
        unpacked(tmp_path, {"a.whl": content})
    assert refused.value.message.isprintable()
    assert not (tmp_path / "layer.tar").exists()


def test_a_link_is_a_file_and_nothing_is_setuid(tmp_path: Path) -> None:
    def link(info: zipfile.ZipInfo) -> None:
        info.external_attr = (stat.S_IFLNK | 0o6777) << 16

    unpacked(tmp_path, {"a.whl": with_member("alpha.py", link)})

    member = members(tmp_path)[f"{FOLDER}alpha.py"]
    assert member.isreg()
    assert member.mode == 0o755


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"random.py": ""}, "a name of Python's own"),
        ({"json/__init__.py": ""}, "a name of Python's own"),
        ({"sitecustomize.py": ""}, "a name of Python's own"),
        ({"alpha-1.0.data/purelib/usercustomize.py": ""}, "a name of Python's own"),
        ({"alpha-1.0.data/future/x": ""}, "nothing is known of the scheme 'future'"),
        ({"alpha": "", "alpha/x.py": ""}, "is a file and a folder"),
    ],
)
def test_what_would_take_the_place_of_something_else_is_refused(
    files: dict[str, str | bytes], said: str, tmp_path: Path
) -> None:
    with pytest.raises(DependencyRefused, match=said):
        unpacked(tmp_path, {"a.whl": wheel("alpha", files=files)})


def test_two_packages_may_bring_the_same_file_and_no_different_one(tmp_path: Path) -> None:
    shared: dict[str, str | bytes] = {"space/__init__.py": "shared = 1\n"}
    unpacked(tmp_path, {"a.whl": wheel("a", files=shared), "b.whl": wheel("b", files=shared)})

    other: dict[str, str | bytes] = {"space/__init__.py": "shared = 2\n"}
    with pytest.raises(DependencyRefused, match=r"a\.whl and b\.whl both bring space/__init__\.py"):
        unpacked(tmp_path, {"a.whl": wheel("a", files=shared), "b.whl": wheel("b", files=other)})


def test_a_bomb_is_refused_by_the_size_that_it_tells(tmp_path: Path) -> None:
    bomb = wheel("bomb", files={"bomb.bin": bytes(100_000)})
    assert len(bomb) < 2000

    with pytest.raises(DependencyRefused, match=r"bomb\.whl: with it the packages come to 100,\d{3} bytes"):
        unpacked(tmp_path, {"bomb.whl": bomb})
    assert not (tmp_path / "layer.tar").exists()


def test_a_bomb_that_tells_a_small_size_is_read_no_further(tmp_path: Path) -> None:
    bomb = wheel("bomb", files={"bomb.bin": bytes(10**7)})
    lying = bomb.replace(struct.pack("<L", 10**7), struct.pack("<L", 10))
    assert lying != bomb

    with pytest.raises(DependencyRefused, match=r"bomb\.bin cannot be unpacked"):
        unpacked(tmp_path, {"bomb.whl": lying})
    assert (tmp_path / "bomb.whl").stat().st_size < 20_000


def test_the_sizes_of_all_wheels_count_together(tmp_path: Path) -> None:
    half: dict[str, bytes] = {
        f"{name}.whl": wheel(name, files={f"{name}.bin": bytes(60_000)}) for name in ("alpha", "beta")
    }

    with pytest.raises(DependencyRefused, match=r"beta\.whl: with it"):
        unpacked(tmp_path, half)


def test_members_without_end_are_refused_before_their_list_is_read(tmp_path: Path) -> None:
    many: dict[str, str | bytes] = {f"alpha/{number}.py": "" for number in range(60)}

    with pytest.raises(DependencyRefused, match="it has 63 members; at most 50"):
        unpacked(tmp_path, {"a.whl": wheel("alpha", files=many)})


def test_a_list_of_members_that_lies_about_their_number_is_refused(tmp_path: Path) -> None:
    content = bytearray(wheel("alpha", files={f"{number}.py": "" for number in range(20)}))
    # The end of a zip file tells the number twice.
    struct.pack_into("<2H", content, len(content) - 14, 2, 2)

    with pytest.raises(DependencyRefused, match=r"no wheel|members"):
        unpacked(tmp_path, {"a.whl": bytes(content)})


@pytest.mark.parametrize(
    "content",
    [b"", b"no zip at all", b"PK\x05\x06", wheel("alpha")[:-30], wheel("alpha") + b"\0" * 70_000],
    ids=["empty", "text", "a mark alone", "cut", "padded"],
)
def test_what_is_no_wheel_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(DependencyRefused, match="is no wheel"):
        unpacked(tmp_path, {"a.whl": content})


def test_the_form_for_endless_archives_is_refused(tmp_path: Path) -> None:
    content = wheel("alpha")
    end = len(content) - 22
    wide = content[:end] + struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1) + content[end:]

    with pytest.raises(DependencyRefused, match="is no wheel: too many members"):
        unpacked(tmp_path, {"a.whl": wide})


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packing_that_gives_memory_away_is_refused(method: int, tmp_path: Path) -> None:
    with pytest.raises(DependencyRefused, match="packed in a way that is not read"):
        unpacked(tmp_path, {"a.whl": with_member("alpha.py", lambda info: None, method)})


def test_a_damaged_member_is_refused_with_its_name(tmp_path: Path) -> None:
    content = with_member("alpha.py", lambda info: None).replace(b"content", b"CONTENT")

    with pytest.raises(DependencyRefused, match=r"a\.whl: alpha\.py cannot be unpacked"):
        unpacked(tmp_path, {"a.whl": content})
