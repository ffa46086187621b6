"""Bytecode for an image's read-only root, compiled by the image's own interpreter in a container.

Importing pytest takes 510 ms from source and 130 ms from bytecode. A host's interpreter may have another
bytecode format than the image's; the image's own gives the same bytes on every host, whatever the hash seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any

from lmac_sandbox.errors import EngineFailure
from lmac_sandbox.owner import Owner
from lmac_sandbox.seccomp import seccomp_option

if TYPE_CHECKING:
    from lmac_sandbox.engine import Engine

COMPILE_SECONDS = 120
COMPILE_BYTES = 512 << 20
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


def compile_folders(engine: Engine, image_id: str, folders: Sequence[str], output: IO[bytes]) -> None:
    """Compile every Python file below `folders` of an image, and write the cache files to `output` as a tar.

    The tar's members stand at their paths of the image below `OUTPUT_FOLDER`.

    Raises:
        EngineFailure: the container could not be run, or failed.
    """
    with engine.call("compile for the image") as client:
        container = client.containers.create(image_id, **_options(folders))
        try:
            container.start()
            status = container.wait(timeout=COMPILE_SECONDS)["StatusCode"]
            if status != 0:
                words = container.logs(tail=5).decode(errors="replace").strip()
                raise EngineFailure(f"compiling for the image failed ({status}): {words}")
            chunks, _ = container.get_archive(OUTPUT_FOLDER)
            for chunk in chunks:
                output.write(chunk)
        finally:
            container.remove(force=True)


def _options(folders: Sequence[str]) -> dict[str, Any]:
    return {
        "command": ["/usr/bin/python3", "-I", "-B", "-c", PROGRAM, OUTPUT_FOLDER, *folders],
        "network_mode": "none",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges", seccomp_option()],
        "mem_limit": COMPILE_BYTES,
        "pids_limit": 16,
        "labels": Owner.current("image-build").labels("compiler"),
    }
