"""Builds an image archive whose bytes follow from its definition, its lock and our programs alone."""

from __future__ import annotations

import hashlib
import json
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lmac_sandbox.download_cache import disk_errors, file_sha256, partial_folder
from lmac_sandbox.errors import ImageError, ImageMismatch
from lmac_sandbox.image_archive import (
    LOCK_LABEL,
    NAME_LABEL,
    RECIPE_LABEL,
    ArchiveFacts,
    extract_layers,
    image_config,
    read_archive,
    write_archive,
)
from lmac_sandbox.image_bytecode import compile_folders
from lmac_sandbox.image_cache import (
    BUILD_FORMAT,
    BuiltImage,
    alone,
    bytecode_path,
    keep_archive,
    recorded_image,
)
from lmac_sandbox.image_definition import (
    IMAGE_FILE,
    ImageDefinition,
    Lock,
    read_definition,
    read_lock,
)
from lmac_sandbox.image_layers import (
    OWN_FOLDER,
    program_files,
    write_bytecode_layer,
    write_debian_layer,
    write_own_layer,
    write_wheel_layer,
)
from lmac_sandbox.image_load import load_image, remove_image
from lmac_sandbox.owner import Owner
from lmac_sandbox.packages import Progress, fetch, no_progress

if TYPE_CHECKING:
    from lmac_sandbox.engine import Engine

LAYER_TITLES = ("Debian packages", "Python packages", "bytecode", "LMAC's own")
"""Of `BuiltImage.layer_digests`."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides an image's bytes."""

    definition_folder: Path
    programs_folder: Path
    definition: ImageDefinition
    lock: Lock
    digest: str
    """Sha256 (hex) of what the inputs say, wherever they lie and however they are written down."""

    @classmethod
    def read(cls, definition_folder: Path, programs_folder: Path | None = None) -> Recipe:
        """Read a definition's folder.

        Args:
            programs_folder: Of the in-container programs; None takes those of this package.

        Raises:
            ImageError: a file is missing or wrong.
        """
        programs = programs_folder or Path(__file__).parent / "inside"
        definition, lock = read_definition(definition_folder), read_lock(definition_folder)
        unused: set[str] = set() if definition.npm_packages else {"npm_packages"}
        inputs = {
            "build": BUILD_FORMAT,
            # A key that is not used makes no other recipe.
            "definition": definition.model_dump(mode="json", exclude=unused),
            "lock": lock.digest(),
            "files": [_named_digest(definition_folder / name) for name in sorted(definition.files)],
            "programs": [_named_digest(path) for path in program_files(programs)],
        }
        digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
        return cls(definition_folder, programs, definition, lock, digest)

    @property
    def tag(self) -> str:
        return f"lmac/{self.definition.name}:{self.lock.digest()[:12]}"

    @property
    def labels(self) -> dict[str, str]:
        return {
            NAME_LABEL: self.definition.name,
            LOCK_LABEL: self.lock.digest(),
            RECIPE_LABEL: self.digest,
        }

    def recorded_in(self, cache_folder: Path) -> BuiltImage | None:
        """The build that the cache holds; see `recorded_image`."""
        return recorded_image(cache_folder, self.digest, self.lock.layer_pins)


def _named_digest(path: Path) -> tuple[str, str]:
    if not path.is_file():
        raise ImageError(f"{path} is missing", f"{path.parent / IMAGE_FILE} names it")
    return path.name, file_sha256(path)


def build_image(
    definition_folder: Path,
    cache_folder: Path,
    engine: Engine,
    progress: Progress = no_progress,
    programs_folder: Path | None = None,
) -> BuiltImage:
    """Build the image, or return the archive that the cache holds for the same inputs.

    Args:
        definition_folder: Holds image.yaml, lock.yaml and the files that image.yaml names.
        cache_folder: Packages, bytecode and archives are kept here between builds.
        engine: Runs the image's interpreter once, to compile.
        programs_folder: Of the in-container programs; None takes those of this package.

    Raises:
        ImageError: the definition is wrong, a package is not understood, or the disk refuses.
        PackageUnavailable: a locked package cannot be fetched.
        ImageMismatch: a package or the bytecode is not the locked one.
        EngineFailure: the engine does not compile.
    """
    recipe = Recipe.read(definition_folder, programs_folder)
    with disk_errors(cache_folder), alone(cache_folder):
        if built := recipe.recorded_in(cache_folder):
            return built
        fetch(recipe.lock, recipe.definition.python_version, cache_folder, progress)
        with partial_folder(cache_folder) as folder:
            debian, wheels = (folder / f"{name}.tar" for name in ("debian", "wheels"))
            write_debian_layer(recipe.definition, recipe.lock, cache_folder, debian)
            write_wheel_layer(recipe.definition, recipe.lock, cache_folder, wheels)
            return _build(recipe, debian, wheels, cache_folder, engine, folder)


def build_from_archive(
    definition_folder: Path,
    archive_path: Path,
    cache_folder: Path,
    engine: Engine,
    programs_folder: Path | None = None,
) -> BuiltImage:
    """Build the image with an archive of it in place of its packages, which mirrors may have dropped.

    Of the archive only the packages' layers are used, and only with the digests that the lock pins: it may
    come from anybody, and from an LMAC with other programs. What is LMAC's own is made anew.

    Raises:
        ImageMismatch: no archive, a damaged one, or one with other packages than the lock's.
        ImageError: the definition or its lock is wrong, or the disk refuses.
        EngineFailure: the engine does not compile.
    """
    recipe = Recipe.read(definition_folder, programs_folder)
    pinned = recipe.lock.layer_pins
    if None in pinned:
        raise ImageError(
            f"the lock of image {recipe.definition.name} pins no layers to hold an archive against",
            "lock it with an engine: `lmac images lock`",
        )
    facts = read_archive(archive_path)
    for title, promised, came in zip(LAYER_TITLES, pinned, facts.layer_digests, strict=False):
        if came != f"sha256:{promised}":
            raise ImageMismatch(
                f"{archive_path}: its layer of {title} is {came}, and the lock of image "
                f"{recipe.definition.name} names sha256:{promised}",
                "load an archive of this lock",
            )
    if len(facts.layers) != len(LAYER_TITLES):
        raise ImageMismatch(f"{archive_path}: it has {len(facts.layers)} layers, not {len(LAYER_TITLES)}")
    with disk_errors(cache_folder), alone(cache_folder):
        built = recipe.recorded_in(cache_folder)
        if built is None:
            built = _build_from_layers(recipe, archive_path, facts, cache_folder, engine)
    if facts.recipe == recipe.digest and facts.image_id != built.image_id:
        raise ImageMismatch(
            f"{archive_path}: {LAYER_TITLES[-1]} layer or the configuration is not what this LMAC makes; "
            "nothing of that was used",
            f"the image was made anew as {built.image_id}: `lmac images save` keeps that one",
        )
    return built


def _build_from_layers(
    recipe: Recipe, archive_path: Path, facts: ArchiveFacts, cache_folder: Path, engine: Engine
) -> BuiltImage:
    with partial_folder(cache_folder) as folder:
        debian, wheels, bytecode, _ = extract_layers(archive_path, facts, folder)
        _keep_bytecode(bytecode, bytecode_path(cache_folder, recipe.lock.layer_pins[:2]))
        return _build(recipe, debian, wheels, cache_folder, engine, folder)


def _keep_bytecode(bytecode: Path, kept: Path) -> None:
    kept.parent.mkdir(exist_ok=True)
    bytecode.replace(kept)


def _build(
    recipe: Recipe, debian: Path, wheels: Path, cache_folder: Path, engine: Engine, folder: Path
) -> BuiltImage:
    _verify_layer(recipe.lock.debian_sha256, debian, "unpacking the locked Debian packages")
    _verify_layer(recipe.lock.wheels_sha256, wheels, "unpacking the locked Python packages")
    own = folder / "own.tar"
    write_own_layer(recipe.definition, recipe.definition_folder, recipe.programs_folder, own)
    bytecode = bytecode_path(cache_folder, [file_sha256(debian), file_sha256(wheels)])
    folders = [OWN_FOLDER] if bytecode.exists() else [OWN_FOLDER, "/usr/lib"]
    with tempfile.TemporaryFile(dir=folder) as compiled:
        with _stage(recipe, engine, folder, (debian, wheels, own)) as stage_id:
            compile_folders(engine, stage_id, folders, compiled)
        if not bytecode.exists():
            write_bytecode_layer(compiled, folder / "bytecode.tar")
            _keep_bytecode(folder / "bytecode.tar", bytecode)
        own_with_bytecode = folder / "own-with-bytecode.tar"
        write_own_layer(
            recipe.definition, recipe.definition_folder, recipe.programs_folder, own_with_bytecode, compiled
        )
    _verify_layer(recipe.lock.bytecode_sha256, bytecode, "compiling the locked packages")
    return _pack(recipe, (debian, wheels, bytecode, own_with_bytecode), cache_folder, folder)


def _verify_layer(promised: str | None, layer: Path, making: str) -> None:
    found = file_sha256(layer)
    if promised not in (None, found):
        # Kept bytecode too: the next build makes it again.
        layer.unlink()
        raise ImageMismatch(
            f"{making} gave {found}, not {promised} as the lock says",
            "build again; if it stays so, or image.yaml was changed, lock again with `lmac images lock`",
        )


@contextmanager
def _stage(recipe: Recipe, engine: Engine, folder: Path, layers: Sequence[Path]) -> Iterator[str]:
    """The image without bytecode, in the engine for as long as its interpreter is needed."""
    archive_path = folder / "stage.tar"
    # Unique, so that a build from another cache on the same engine does not lose its stage to this one.
    suffix = f"-stage-{secrets.token_hex(4)}"
    # With an owner, so that the reaper finds what a build leaves that was killed here.
    owner = Owner.current("image-build").labels("stage")
    labels = {**recipe.labels, RECIPE_LABEL: f"{recipe.digest}{suffix}", **owner}
    _write(recipe, layers, labels, f"{recipe.tag}{suffix}", archive_path)
    stage_id = load_image(engine, archive_path)
    archive_path.unlink()
    try:
        yield stage_id
    finally:
        remove_image(engine, stage_id)


def _write(recipe: Recipe, layers: Sequence[Path], labels: dict[str, str], tag: str, path: Path) -> str:
    digests = tuple(f"sha256:{file_sha256(layer)}" for layer in layers)
    config = image_config(recipe.lock.architecture, recipe.definition.environment, labels, digests)
    return write_archive(path, config, layers, tag)


def _pack(recipe: Recipe, layers: Sequence[Path], cache_folder: Path, folder: Path) -> BuiltImage:
    if Recipe.read(recipe.definition_folder, recipe.programs_folder).digest != recipe.digest:
        raise ImageMismatch("the image's definition or programs changed while it was built", "build it again")
    partial = folder / "archive.tar"
    image_id = _write(recipe, layers, recipe.labels, recipe.tag, partial)
    sized = [(f"sha256:{file_sha256(layer)}", layer.stat().st_size) for layer in layers]
    return keep_archive(cache_folder, recipe.definition.name, recipe.digest, image_id, partial, sized)


@dataclass(frozen=True, slots=True)
class ImageStanding:
    """An image as its definition and lock say it, and what this cache holds of it."""

    name: str
    lock_digest: str
    """Hex."""
    recipe: str
    """Hex; see `Recipe.digest`."""
    built: BuiltImage | None
    bytecode_path: Path
    """Where the cache keeps, or would keep, its bytecode."""


def image_standing(
    definition_folder: Path, cache_folder: Path, programs_folder: Path | None = None
) -> ImageStanding:
    """Read a definition, and look for its build; known within milliseconds.

    Raises:
        ImageError: the definition or its lock cannot be read.
    """
    recipe = Recipe.read(definition_folder, programs_folder)
    return ImageStanding(
        recipe.definition.name,
        recipe.lock.digest(),
        recipe.digest,
        recipe.recorded_in(cache_folder),
        bytecode_path(cache_folder, recipe.lock.layer_pins[:2]),
    )


def expected_image_id(
    definition_folder: Path, cache_folder: Path, programs_folder: Path | None = None
) -> str | None:
    """The id of the image as its definition stands now; None when this cache holds no build of it.

    Raises:
        ImageError: the definition cannot be read.
    """
    built = image_standing(definition_folder, cache_folder, programs_folder).built
    return built.image_id if built else None
