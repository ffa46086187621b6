"""Bytecode for an image's read-only root, compiled by the image's own interpreter in a container.

Importing pytest takes 510 ms from source and 130 ms from bytecode. A host's interpreter may have another
bytecode format than the image's; the image's own gives the same bytes on every host, whatever the hash seed.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from lmac_sandbox.errors import EngineFailure
from lmac_sandbox.owner import Owner
from lmac_sandbox.seccomp import seccomp_option
from lmac_sandbox.tar_format import END_OF_TAR, Entry, tar_header

if TYPE_CHECKING:
    from lmac_sandbox.engine import Engine

COMPILE_SECONDS = 120
COMPILE_BYTES = 512 << 20
NOBODY = 65534
OUTPUT_FOLDER = "/bytecode"
# Unchecked hashes: no time of a source file goes in, and none is compared when a module is imported.
PROGRAM = """\
import pathlib, py_compile, sys
target = pathlib.Path(sys.argv[1])
for folder in sys.argv[2:]:
    for source in sorted(pathlib.Path(folder).rglob("*.py")):
        name = f"{source.stem}.{sys.implementation.cache_tag}.pyc"
        cache = target / source.parent.relative_to("/") / "__pycache__" / name
        try:
            mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
            py_compile.compile(str(source), str(cache), doraise=True, invalidation_mode=mode)
        except py_compile.PyCompileError as error:
            print("left as source:", source, error.exc_type_name)
"""


@dataclass(frozen=True, slots=True)
class _Compiling:
    """How a container compiles."""

    folders: Sequence[str]
    seconds: float = COMPILE_SECONDS
    user: str = ""
    """"" for the image's own."""
    most_bytes: int | None = None
    """Of what it gives."""


def compile_folders(engine: Engine, image_id: str, folders: Sequence[str], output: IO[bytes]) -> None:
    """Compile every Python file below `folders` of an image, and write the cache files to `output` as a tar.

    The tar's members stand at their paths of the image below `OUTPUT_FOLDER`.

    Raises:
        EngineFailure: the container could not be run, or failed.
    """
    _compile(engine, image_id, _Compiling(folders), (), output)


def compile_layer(
    engine: Engine,
    image_id: str,
    layer_path: Path,
    folder: str,
    output: IO[bytes],
    seconds: float,
    most_bytes: int,
) -> None:
    """As `compile_folders`, of a layer that lies over the image, whose sources may be anybody's.

    Raises:
        EngineFailure: as there; also when it gives more than `most_bytes`.
        EngineUnavailable: it takes longer than `seconds`.
    """
    compiling = _Compiling([folder], seconds, f"{NOBODY}:{NOBODY}", most_bytes)
    place = Entry(OUTPUT_FOLDER.lstrip("/"), tarfile.DIRTYPE, 0o755, owner_uid=NOBODY)
    with layer_path.open("rb") as layer:
        _compile(engine, image_id, compiling, (layer, io.BytesIO(tar_header(place) + END_OF_TAR)), output)


def _compile(
    engine: Engine, image_id: str, compiling: _Compiling, added: Iterable[IO[bytes]], output: IO[bytes]
) -> None:
    """Args:
    added: Tars that are unpacked over the image.
    """
    with engine.call("compile for the image") as client:
        container = client.containers.create(image_id, **_options(engine, compiling))
        try:
            for tar in added:
                container.put_archive("/", tar)
            container.start()
            status = container.wait(timeout=compiling.seconds)["StatusCode"]
            if status != 0:
                words = container.logs(tail=5).decode(errors="replace").strip()
                raise EngineFailure(f"compiling for the image failed ({status}): {words}")
            chunks, _ = container.get_archive(OUTPUT_FOLDER)
            for chunk in chunks:
                output.write(chunk)
                if compiling.most_bytes is not None and output.tell() > compiling.most_bytes:
                    raise EngineFailure(f"compiling gave more than {compiling.most_bytes:,} bytes")
        finally:
            container.remove(force=True)


def _options(engine: Engine, compiling: _Compiling) -> dict[str, Any]:
    return {
        "command": ["/usr/bin/python3", "-I", "-B", "-c", PROGRAM, OUTPUT_FOLDER, *compiling.folders],
        "user": compiling.user,
        "runtime": engine.runtime,
        "network_mode": "none",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges", seccomp_option()],
        "mem_limit": COMPILE_BYTES,
        "pids_limit": 16,
        "labels": Owner.current("image-build").labels("compiler"),
    }
