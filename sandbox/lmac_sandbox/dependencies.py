"""Packages that generated code may have: resolved, pinned, unpacked, and given to boxes as an image."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from lmac_sandbox.dependency_cache import NOTES, note_use, noted_layer
from lmac_sandbox.dependency_image import find_with_layer, load_with_layer
from lmac_sandbox.dependency_layer import LayerLimits, wheels_digest, write_dependency_layer
from lmac_sandbox.dependency_wheels import PinnedWheel, Target, WheelSource
from lmac_sandbox.download_cache import disk_errors, partial_folder
from lmac_sandbox.errors import EngineFailure, EngineUnavailable, PackageUnavailable, SandboxError
from lmac_sandbox.image_bytecode import compile_layer
from lmac_sandbox.inside.places import DEPENDENCIES
from lmac_sandbox.jobs import Job, JobResult
from lmac_sandbox.limits import MIB
from lmac_sandbox.requirement_lines import Requirement, canonical_name

if TYPE_CHECKING:
    from lmac_sandbox.engine import Engine

_PROBE_SECONDS = 20.0
_BYTECODE_TIMES = 2
"""Of unpacked bytes: room for bytecode, which is seldom larger than its source."""
_PROBE = """
import importlib.metadata, json, os, platform, sys
print(json.dumps({
    "python": platform.python_version(),
    "machine": platform.machine(),
    "glibc": os.confstr("CS_GNU_LIBC_VERSION"),
    "provided": {one.metadata["Name"]: one.version for one in importlib.metadata.distributions()},
    "standard": sorted(sys.stdlib_module_names),
}))
"""


@dataclass(frozen=True, slots=True)
class DependencyLimits:
    """Of what one store may ask for."""

    packages: int = 40
    """With all that they need."""
    unpacked_bytes: int = 256 * MIB
    """Of all of them together, and of any single wheel."""
    fetch_seconds: float = 300.0
    """Of one call of pip: one to resolve, one to fetch; and to compile."""


@dataclass(frozen=True, slots=True)
class ProvidedDependencies:
    """Dependencies as boxes get them."""

    pins: tuple[PinnedWheel, ...]
    layer_digest: str
    """Sha256 (hex); "" without any."""
    image_id: str
    """Of boxes that have them."""


class DependencyProvider:
    """Brings dependencies for boxes of one image.

    Args:
        image_id: Of boxes without any.
        index_url: See `WheelSource`.
        cache_folder: Of wheels, kept between runs.
    """

    def __init__(
        self,
        engine: Engine,
        image_id: str,
        cache_folder: Path,
        limits: DependencyLimits | None = None,
        index_url: str | None = None,
    ) -> None:
        self._engine = engine
        self._image_id = image_id
        self._limits = limits or DependencyLimits()
        self._cache = cache_folder
        self._wheels = WheelSource(
            index_url,
            cache_folder,
            self._limits.packages,
            self._limits.unpacked_bytes,
            self._limits.fetch_seconds,
        )

    def resolve(
        self, requirements: Sequence[Requirement], allowed: Iterable[Requirement], target: Target
    ) -> tuple[PinnedWheel, ...]:
        """As `WheelSource.resolve`."""
        return self._wheels.resolve(requirements, allowed, target)

    def provide(self, pins: Sequence[PinnedWheel], target: Target) -> ProvidedDependencies:
        """Have the engine ready with exactly these; what it or the cache has is not fetched again.

        Raises:
            DependencyRefused: the wheels pass a limit, or hold what no layer may.
            ImageMismatch: a wheel is not the one that was pinned.
            PackageUnavailable: a wheel cannot be fetched, or all of them not be compiled.
            EngineFailure: the engine does not take the layer.
        """
        if not pins:
            return ProvidedDependencies((), "", self._image_id)
        known = self._known_layer(pins, target)
        image_id = find_with_layer(self._engine, self._image_id, known) if known else None
        if known and image_id:
            return ProvidedDependencies(tuple(pins), known, image_id)
        paths = self._wheels.fetch(pins, target)
        with disk_errors(self._cache), partial_folder(self._cache) as folder:
            layer = folder / "layer.tar"
            facts = write_dependency_layer(
                {pin.file: path for pin, path in zip(pins, paths, strict=True)},
                target.standard_modules,
                LayerLimits(self._limits.unpacked_bytes),
                layer,
                self._compile,
            )
            image_id = find_with_layer(self._engine, self._image_id, facts.digest)
            if image_id is None:
                image_id = load_with_layer(self._engine, self._image_id, layer, facts.digest)
            self._note(pins, target, facts.digest, folder)
        return ProvidedDependencies(tuple(pins), facts.digest, image_id)

    def _compile(self, layer_path: Path, output: IO[bytes]) -> None:
        """By the interpreter of the image, in a container of it: parsed there, and never run."""
        limits = self._limits
        most_bytes = _BYTECODE_TIMES * limits.unpacked_bytes
        try:
            compile_layer(
                self._engine,
                self._image_id,
                layer_path,
                DEPENDENCIES,
                output,
                limits.fetch_seconds,
                most_bytes,
            )
        # An engine that waits longer than it was asked to is one that does not answer.
        except (EngineFailure, EngineUnavailable) as error:
            raise PackageUnavailable(
                f"the packages cannot be compiled now: {error.message}", error.next_step
            ) from error

    def _note_path(self, pins: Sequence[PinnedWheel], target: Target) -> Path:
        # Of the image: its interpreter decides on the bytecode.
        ours = (str(self._limits.unpacked_bytes), self._image_id)
        digest = wheels_digest([*ours, *(pin.sha256 for pin in pins)], target.standard_modules)
        return self._cache / NOTES / digest

    def _known_layer(self, pins: Sequence[PinnedWheel], target: Target) -> str | None:
        """The digest that the same wheels gave before, within the same limits."""
        path = self._note_path(pins, target)
        noted = noted_layer(path)
        # A cache that cannot be written to is as good for reading.
        with suppress(OSError):
            note_use([path] if noted else [])
        return noted

    def _note(self, pins: Sequence[PinnedWheel], target: Target, digest: str, folder: Path) -> None:
        path = self._note_path(pins, target)
        path.parent.mkdir(exist_ok=True)
        partial = folder / "note"
        partial.write_text(digest, encoding="ascii")
        partial.replace(path)


def target_job() -> Job:
    """Asks an image what its interpreter is; for a box that has executed no generated code."""
    return Job(("/usr/bin/python3", "-I", "-B", "-c", _PROBE), _PROBE_SECONDS)


def target_of(result: JobResult) -> Target:
    """What `target_job` found.

    Raises:
        SandboxError: nothing that is understood; the image has no such Python.
    """
    try:
        told = json.loads(result.stdout.head)
        python, machine = str(told["python"]), str(told["machine"])
        libc = re.fullmatch(r"glibc 2\.(\d{1,3})", str(told["glibc"]))
        if not libc or not re.fullmatch(r"3\.\d+\.\d+", python) or machine not in ("x86_64", "aarch64"):
            raise ValueError(f"{python}, {machine}, {told['glibc']}")
        return Target(python, machine, int(libc[1]), _provided(told["provided"]), frozenset(told["standard"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SandboxError(
            f"the image tells no Python that wheels are made for: {error}"[:300],
            "set `dependencies.policy` to none, or use an image with CPython 3",
        ) from error


def _provided(told: Mapping[str, object]) -> dict[str, str]:
    return {canonical_name(str(name)): str(version) for name, version in told.items()}
