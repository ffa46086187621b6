"""What every shipped image has and has not, read from its archive; and that its tools and libraries work."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

import pytest

from lmac_sandbox import Engine
from lmac_sandbox.image_archive import read_archive
from lmac_sandbox.images import BuiltImage, build_image, load_image
from lmac_sandbox.tar_reading import TarMember, tar_members
from sandbox_fixtures import CACHE, IMAGES

pytestmark = [pytest.mark.engine, pytest.mark.slow]

NAMES = sorted(path.parent.name for path in IMAGES.glob("*/image.yaml"))
MEGABYTE = 1_000_000
LARGEST = {"python": 170, "node": 175, "python-web": 220, "text": 60}
"""Unpacked, in megabytes."""
TOOLS = {
    "compilers": "as c++ c89 c99 cc clang cpp g++ gcc go ld rustc tcc javac make cmake ninja gdb",
    "package managers": "apk apt apt-get aptitude conda corepack dnf dpkg easy_install gem npm npx pip pip3 "
    "pnpm poetry rpm snap uv yarn yum",
    "ways to another user or place": "chfn chsh mount newgrp nsenter passwd pkexec su sudo umount unshare",
    "ways out": "curl ftp nc netcat rsync scp sftp ssh telnet wget perl",
}
MODULES = ("pip", "setuptools", "ensurepip", "_distutils_hack", "node_modules/npm", "node-gyp", "corepack")


@pytest.fixture(scope="module", params=NAMES)
def built(request: pytest.FixtureRequest, engine: Engine) -> BuiltImage:
    return build_image(IMAGES / request.param, CACHE, engine)


@cache
def members(archive: Path) -> tuple[TarMember, ...]:
    layers = read_archive(archive).layers
    with archive.open("rb") as stream:
        return tuple(member for layer in layers for member in tar_members(stream, layer))


def test_an_image_is_small(built: BuiltImage) -> None:
    name = built.archive_path.name.rpartition("-")[0]

    assert built.size_bytes < LARGEST[name] * MEGABYTE


def test_nothing_is_setuid_or_setgid_or_a_device(built: BuiltImage) -> None:
    assert [one.path for one in members(built.archive_path) if one.mode & 0o6000] == []
    kinds = {one.kind for one in members(built.archive_path)}
    # Hard links are unpacked as files: an owner's right through one name is visible in that name.
    assert kinds == {tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE}


def test_only_the_temporary_folder_is_everybodys(built: BuiltImage) -> None:
    writable = [
        one.path for one in members(built.archive_path) if one.mode & 0o002 and one.kind != tarfile.SYMTYPE
    ]

    assert writable == ["tmp"]


def test_no_header_grants_a_capability(built: BuiltImage) -> None:
    """A file capability is an extended attribute, which only an extended header can hold."""
    layers = read_archive(built.archive_path).layers
    with built.archive_path.open("rb") as stream:
        for layer in layers:
            stream.seek(layer.offset)
            assert not list(_extended(stream.read(layer.size_bytes), layer.size_bytes))


def _extended(layer: bytes, size_bytes: int) -> Iterator[bytes]:
    place = 0
    while place < size_bytes and any(header := layer[place : place + 512]):
        if header[156:157] in b"xgLK":
            yield header[:100]
        size = int(header[124:135], 8)
        place += 512 + size + -size % 512


@pytest.mark.parametrize("what", TOOLS)
def test_there_is_no_tool_of_a_kind(built: BuiltImage, what: str) -> None:
    unwanted = set(TOOLS[what].split())
    # Word by word: compilers are installed as x86_64-linux-gnu-gcc-12, too.
    programs = {
        word
        for one in members(built.archive_path)
        if one.path.startswith(("usr/bin/", "usr/sbin/", "usr/local/", "opt/"))
        and one.kind != tarfile.DIRTYPE
        for name in [PurePosixPath(one.path).name]
        for word in (name, *name.split("-"))
    }

    assert programs & unwanted == set()


def test_no_package_manager_lies_there_as_a_module(built: BuiltImage) -> None:
    folders = {one.path for one in members(built.archive_path) if one.kind == tarfile.DIRTYPE}

    assert [path for path in folders if path.endswith(tuple(f"/{name}" for name in MODULES))] == []


def test_no_static_library_header_or_object_waits_for_a_compiler(built: BuiltImage) -> None:
    left = [
        one.path
        for one in members(built.archive_path)
        if one.kind == tarfile.REGTYPE and one.path.endswith((".a", ".o", ".h", ".hpp", ".pyx", ".la"))
    ]

    assert left == []


def run(engine: Engine, name: str, program: str) -> str:
    """What a program prints in an image, as a box of the policy would run it."""
    image_id = load_image(engine, build_image(IMAGES / name, CACHE, engine).archive_path)
    output = engine.client.containers.run(
        image_id,
        ["/usr/bin/python3", "-B", "-c", program],
        network_mode="none",
        read_only=True,
        tmpfs={"/scratch": "size=16m,uid=60580,gid=60580"},
        working_dir="/scratch",
        remove=True,
        user="60580:60580",
        stderr=True,
    )
    return output.decode()


SERVICE = """
import json
import fastapi, flask, httpx, jinja2, multipart, pydantic, requests, sqlalchemy, starlette, uvicorn
from fastapi.testclient import TestClient
from sqlalchemy import text

app = fastapi.FastAPI()

class Note(pydantic.BaseModel):
    words: str

@app.post("/notes")
def add(note: Note) -> dict[str, str]:
    return {"words": jinja2.Template("{{ words }}!").render(words=note.words)}

web = flask.Flask("web")

@web.get("/")
def index() -> str:
    return "flask"

engine = sqlalchemy.create_engine("sqlite://")
with engine.begin() as connection:
    found = connection.execute(text("select 7")).scalar_one()
said = TestClient(app).post("/notes", json={"words": "hi"})
wrong = TestClient(app).post("/notes", json={"words": 1})
print(json.dumps([said.json(), wrong.status_code, web.test_client().get("/").text, found]))
"""


def test_a_service_runs_in_python_web(engine: Engine) -> None:
    printed = run(engine, "python-web", SERVICE).splitlines()[-1]

    assert json.loads(printed) == [{"words": "hi!"}, 422, "flask", 7]


TEXTS = """
import asyncio, ctypes, hashlib, json, lzma, multiprocessing, ssl, sys, unicodedata, xml.dom, zlib
import markdown_it, pytest
sys.path.insert(0, "/opt/lmac")
open("/scratch/test_a.py", "w").write("def test_a():\\n    assert {'a': 'x'} == {'a': 'y'}\\n")
print(pytest.main(["-q", "-p", "no:cacheprovider", "/scratch"]).value, hashlib.new("sha256").name)
"""


def test_text_has_what_judges_texts_and_runs_suites(engine: Engine) -> None:
    printed = run(engine, "text", TEXTS)

    assert printed.splitlines()[-1] == "1 sha256"
    assert "{'a': 'y'}" in printed
