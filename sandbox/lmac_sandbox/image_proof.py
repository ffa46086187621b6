"""Proof that an engine's image is the one that its lock gives: every layer read back and compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING

from lmac_sandbox.download_cache import disk_errors, partial_folder
from lmac_sandbox.errors import ImageNotFound
from lmac_sandbox.image_archive import RECIPE_LABEL, ArchiveFacts, read_archive
from lmac_sandbox.image_build import LAYER_TITLES, Recipe, build_image
from lmac_sandbox.image_identity import ImageIdentity, identify_image
from lmac_sandbox.image_load import engine_image, export_image
from lmac_sandbox.packages import Progress, no_progress
from lmac_sandbox.tar_reading import Span, TarMember, tar_members

if TYPE_CHECKING:
    from lmac_sandbox.engine import Engine

NAMED_FILES = 10
"""Of one layer, that are named as different."""


@dataclass(frozen=True, slots=True)
class ProvenLayer:
    """One layer of the engine's image beside what it has to be."""

    title: str
    digest: str
    """What the engine gave: "sha256:…" of its bytes, uncompressed; "" when it has no such layer."""
    promised: str
    """"" when there must be none."""
    size_bytes: int
    faults: tuple[str, ...] = ()
    """Files that differ, and how; at most `NAMED_FILES` and the number of the others."""


@dataclass(frozen=True, slots=True)
class ImageProof:
    """What came of reading an engine's image back."""

    identity: ImageIdentity
    image_id: str
    """Digest of the configuration that the engine gave."""
    promised_id: str
    layers: tuple[ProvenLayer, ...]

    @property
    def holds(self) -> bool:
        """Whether every byte of layers and configuration is as promised."""
        return self.image_id == self.promised_id and all(
            layer.digest == layer.promised for layer in self.layers
        )


def prove_image(
    engine: Engine,
    definition_folder: Path,
    cache_folder: Path,
    progress: Progress = no_progress,
    programs_folder: Path | None = None,
    reference: str | None = None,
) -> ImageProof:
    """Build the image anew from its locked packages and compare the engine's with it.

    Args:
        cache_folder: Of its content only packages are used, each held against its digest.
        reference: Of the engine's image; None takes the one that the engine has for this definition.

    Raises:
        ImageNotFound: the engine has no such image.
        ImageError, EngineFailure: as `build_image`, or the engine cannot read its image back.
    """
    if reference is None:
        # Before minutes are spent on what there is nothing to compare with.
        _demand_recipe(engine, Recipe.read(definition_folder, programs_folder))
    with disk_errors(cache_folder):
        packages = cache_folder / "packages"
        packages.mkdir(exist_ok=True)
        with partial_folder(cache_folder) as folder:
            # A cache of its own: what an earlier build kept proves nothing.
            (folder / "packages").symlink_to(packages.absolute())
            built = build_image(definition_folder, folder, engine, progress, programs_folder)
            promised = read_archive(built.archive_path)
            engine_id = reference or engine_image(engine, promised) or built.image_id
            identity = identify_image(engine, engine_id)
            exported = folder / "exported.tar"
            export_image(engine, identity.engine_id, exported)
            return _compare(identity, exported, built.archive_path, promised)


def _demand_recipe(engine: Engine, recipe: Recipe) -> None:
    if not engine.images({RECIPE_LABEL: recipe.digest}):
        name = recipe.definition.name
        raise ImageNotFound(
            f"the engine has no image {name} of this lock and these programs",
            f"build and load it with `lmac images build {name}`",
        )


def prove_content(engine: Engine, reference: str, cache_folder: Path) -> ImageProof:
    """Hold an image against its own id alone: for one whose definition is not here.

    Raises:
        ImageNotFound: the engine has no such image.
        ImageMismatch: its layers are not those that its configuration names.
        EngineFailure: the engine cannot read it back.
    """
    identity = identify_image(engine, reference)
    with disk_errors(cache_folder), partial_folder(cache_folder) as folder:
        exported = folder / "exported.tar"
        export_image(engine, identity.engine_id, exported)
        found = read_archive(exported)
    layers = tuple(
        ProvenLayer(f"layer {number}", digest, digest, span.size_bytes)
        for number, (digest, span) in enumerate(zip(found.layer_digests, found.layers, strict=True), start=1)
    )
    return ImageProof(identity, found.image_id, identity.image_id, layers)


def _compare(identity: ImageIdentity, exported: Path, archive: Path, promised: ArchiveFacts) -> ImageProof:
    found = read_archive(exported)
    with exported.open("rb") as engines, archive.open("rb") as ours:
        layers = tuple(
            _compare_layer(number, (engines, found), (ours, promised))
            for number in range(max(len(found.layers), len(promised.layers)))
        )
    return ImageProof(identity, found.image_id, promised.image_id, layers)


def _compare_layer(
    number: int, found: tuple[IO[bytes], ArchiveFacts], promised: tuple[IO[bytes], ArchiveFacts]
) -> ProvenLayer:
    title = LAYER_TITLES[number] if number < len(LAYER_TITLES) else f"layer {number + 1}"
    digest, expected = (_digest(facts, number) for _, facts in (found, promised))
    size_bytes = found[1].layers[number].size_bytes if digest else 0
    faults: tuple[str, ...] = ()
    if digest and expected and digest != expected:
        here, there = (_files(stream, facts.layers[number]) for stream, facts in (found, promised))
        faults = _named(differing_files(here, there))
    return ProvenLayer(title, digest, expected, size_bytes, faults)


def _digest(facts: ArchiveFacts, number: int) -> str:
    return facts.layer_digests[number] if number < len(facts.layers) else ""


def _files(stream: IO[bytes], layer: Span) -> dict[str, tuple[TarMember, str]]:
    return {
        member.path: (member, member.content.sha256(stream)) for member in list(tar_members(stream, layer))
    }


def differing_files(
    found: Mapping[str, tuple[TarMember, str]], promised: Mapping[str, tuple[TarMember, str]]
) -> Iterator[str]:
    """What differs between the files of two layers, by path."""
    for path in sorted(found.keys() | promised.keys()):
        if path not in promised:
            yield f"/{path}: nothing must be there"
        elif path not in found:
            yield f"/{path}: missing"
        elif words := list(_differences(*found[path], *promised[path])):
            yield f"/{path}: {', '.join(words)}"


def _differences(found: TarMember, content: str, promised: TarMember, promised_content: str) -> Iterator[str]:
    if content != promised_content:
        yield f"content sha256:{content[:12]}… instead of sha256:{promised_content[:12]}…"
    for word, here, there in (
        ("kind", found.kind, promised.kind),
        ("mode", f"{found.mode:o}", f"{promised.mode:o}"),
        ("owner", (found.owner_uid, found.owner_gid), (promised.owner_uid, promised.owner_gid)),
        ("time", found.changed_at, promised.changed_at),
        ("target", found.link_target, promised.link_target),
    ):
        if here != there:
            yield f"{word} {here!r} instead of {there!r}"


def _named(faults: Iterator[str]) -> tuple[str, ...]:
    first = tuple(islice(faults, NAMED_FILES))
    rest = sum(1 for _ in faults)
    return (
        (*first, f"and {rest:,} more") if rest else first or ("the same files, written down in another way",)
    )
