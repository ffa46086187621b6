"""`lmac images`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from lmac.commands.terminal import shown_progress, terminal_json
from lmac.errors import ConfigError, ExitCode, SandboxFailure
from lmac.image_reference import ImageReference
from lmac.inputs import cache_folder
from lmac.printable import printable
from lmac.shipped_images import demand_image, image_folder, image_folders, resolve_image
from lmac_sandbox import (
    NAME_LABEL,
    BuiltImage,
    Engine,
    ImageIdentity,
    ImageNotFound,
    ImageProof,
    ImageStanding,
    Pruned,
    PrunedDependencies,
    build_from_archive,
    build_image,
    identify_image,
    image_standing,
    load_archive,
    load_image,
    our_images,
    prove_content,
    prove_image,
    prune_cache,
    prune_dependency_cache,
    prune_dependency_images,
    prune_images,
    read_archive,
    refresh_lock,
    save_archive,
    save_image,
)

SHORT_DIGITS = 12
MEGABYTE = 1_000_000


def build(name: str, engine_url: str | None, environment: Mapping[str, str]) -> int:
    """Build from the lock, load, print the id."""
    with Engine.connect(engine_url) as engine:
        image_folder(name)
        _tell_id(identify_image(engine, image_in_engine(engine, name, cache_folder(environment))))
    return 0


def lock(name: str, engine_url: str | None, environment: Mapping[str, str]) -> int:
    """Write the lock anew and say what changed."""
    cache = cache_folder(environment) / "images"
    with (
        Engine.connect(engine_url) as engine,
        shown_progress(f"resolving the packages of image {name}") as tell,
    ):
        change = refresh_lock(image_folder(name), cache, engine, progress=tell)
    for title, packages in (
        ("added", change.added),
        ("removed", change.removed),
        ("changed", change.changed),
        ("changed", tuple(f"layer of {layer}" for layer in change.layers)),
    ):
        for package in packages:
            click.echo(f"{title}: {package}")
    if not change:
        click.echo("nothing changed")
        return 0
    click.echo(f"configs that name the lock now say {name}@lock:{change.lock_digest}")
    return 0


def verify(reference: str, engine_url: str | None, as_json: bool, environment: Mapping[str, str]) -> int:
    """Read the engine's image back and compare every layer with what the lock gives."""
    cache = cache_folder(environment) / "images"
    wanted = demand_image(reference)
    with Engine.connect(engine_url) as engine:
        name = wanted.name or _name_here(identify_image(engine, reference), cache)
        if name is None:
            proof = prove_content(engine, reference, cache)
        else:
            with shown_progress(f"building image {name} anew to compare") as tell:
                proof = prove_image(engine, image_folder(name), cache, tell, reference=wanted.image_id)
    if as_json:
        click.echo(terminal_json({**asdict(proof), "lock_of": name, "holds": proof.holds}))
    else:
        _tell_proof(proof, name)
    return ExitCode.OK if proof.holds else ExitCode.SANDBOX


def _name_here(image: ImageIdentity, cache: Path) -> str | None:
    """The shipped image that gives this one as it stands now; None when it is an older one or another's."""
    standings = (image_standing(folder, cache) for folder in image_folders())
    return next((one.name for one in standings if one.recipe == image.recipe), None)


def _tell_proof(proof: ImageProof, name: str | None) -> None:
    for layer in proof.layers:
        same = layer.digest == layer.promised
        size = f"{layer.size_bytes / MEGABYTE:.1f} MB"
        click.echo(f"{'ok ' if same else 'BAD'} {layer.title:<16} {layer.digest or 'missing'} {size}")
        if not same:
            click.echo(f"      instead of {layer.promised or 'no such layer'}")
        for fault in layer.faults:
            # Names come from the engine's layer, which is in doubt.
            click.echo(f"      {printable(fault)}")
    same = proof.image_id == proof.promised_id
    click.echo(f"{'ok ' if same else 'BAD'} {'configuration':<16} {proof.image_id}")
    if not same:
        click.echo(f"      instead of {proof.promised_id}")
    if proof.identity.engine_id != proof.identity.image_id:
        click.echo(f"      this engine calls it {proof.identity.engine_id}")
    if name is None:
        click.echo("      no lock here gives this image: it was held against its own id alone")


@dataclass(frozen=True, slots=True)
class Listed:
    """One shipped image."""

    name: str
    locked_name: str
    """What a config names that means this lock and no other."""
    image_id: str | None
    """None when it was not built here."""
    engine_id: str | None
    """None when the engine has no image of this definition."""
    size_bytes: int | None


def list_images(engine_url: str | None, as_json: bool, environment: Mapping[str, str]) -> int:
    """Say what is shipped, built and in the engine."""
    cache = cache_folder(environment) / "images"
    with Engine.connect(engine_url) as engine:
        in_engine = our_images(engine)
    listed = [_listed(image_standing(folder, cache), in_engine) for folder in image_folders()]
    if as_json:
        click.echo(terminal_json([asdict(one) for one in listed]))
        return 0
    for one in listed:
        size = f"{one.size_bytes / MEGABYTE:.0f} MB" if one.size_bytes else "not built"
        place = "in the engine" if one.engine_id else "not in the engine"
        click.echo(f"{one.name}: {size}, {place}")
        click.echo(f"  {one.locked_name}")
        if one.image_id:
            click.echo(f"  {one.image_id}")
        if one.engine_id and one.engine_id != one.image_id:
            click.echo(f"  {one.engine_id} to this engine")
    return 0


def _listed(standing: ImageStanding, in_engine: Iterable[ImageIdentity]) -> Listed:
    wanted = standing.built.image_id if standing.built else None
    found = next(
        (
            image
            for image in in_engine
            if image.recipe == standing.recipe and wanted in (None, image.image_id)
        ),
        None,
    )
    return Listed(
        name=standing.name,
        locked_name=str(ImageReference(standing.name, standing.lock_digest)),
        image_id=wanted or (found.image_id if found else None),
        engine_id=found.engine_id if found else None,
        size_bytes=standing.built.size_bytes if standing.built else None,
    )


def prune(
    names: Collection[str],
    kept: Collection[str],
    dry_run: bool,
    engine_url: str | None,
    as_json: bool,
    environment: Mapping[str, str],
) -> int:
    """Remove images of ours that no lock here gives, and those with packages that no run uses."""
    cache = cache_folder(environment) / "images"
    wheels = cache_folder(environment) / "dependencies"
    standings = [image_standing(folder, cache) for folder in image_folders()]
    recipes = {one.recipe for one in standings}
    with Engine.connect(engine_url) as engine:
        pruned = prune_images(engine, recipes, kept, names, dry_run)
        # They are of no definition's name.
        dependencies = None if names else prune_dependency_images(engine, wheels, kept, dry_run)
    cache_bytes = prune_cache(
        cache,
        {one.built.archive_path for one in standings if one.built},
        recipes,
        {one.bytecode_path for one in standings},
        names,
        dry_run,
    )
    wheel_bytes = 0 if names else prune_dependency_cache(wheels, dry_run)
    if as_json:
        told = {
            **asdict(pruned),
            "dependencies": asdict(dependencies) if dependencies else None,
            "freed_cache_bytes": cache_bytes,
            "freed_wheel_bytes": wheel_bytes,
        }
        click.echo(terminal_json(told))
        return 0
    _tell_pruned(pruned, cache, cache_bytes, dry_run)
    if dependencies:
        tell_pruned_dependencies(dependencies, dry_run)
        verb = "would remove" if dry_run else "removed"
        click.echo(f"{verb} {wheel_bytes / MEGABYTE:,.0f} MB of packages in {wheels}")
    return 0


def tell_pruned_dependencies(pruned: PrunedDependencies, dry_run: bool = False) -> None:
    """In two lines at most, after the ids."""
    for engine_id in pruned.removed:
        click.echo(printable(engine_id))
    verb = "would remove" if dry_run else "removed"
    count, freed = len(pruned.removed), pruned.freed_bytes / MEGABYTE
    images = "image" if count == 1 else "images"
    click.echo(f"{verb} {count} {images} with packages for generated code, {freed:,.0f} MB in the engine")
    if pruned.in_use:
        click.echo(f"left alone: {len(pruned.in_use)}, runs stand on them")


def _tell_pruned(pruned: Pruned, cache: Path, cache_bytes: int, dry_run: bool) -> None:
    for image in pruned.removed:
        lock_digits = image.lock_digest[:SHORT_DIGITS]
        click.echo(printable(f"{image.engine_id} {image.name}, lock {lock_digits}"))
    verb = "would remove" if dry_run else "removed"
    count, freed = len(pruned.removed), pruned.freed_bytes / MEGABYTE
    click.echo(f"{verb} {count} {'image' if count == 1 else 'images'}, {freed:,.0f} MB in the engine")
    click.echo(f"{verb} {cache_bytes / MEGABYTE:,.0f} MB of older builds in {cache}")
    for images, reason in ((pruned.in_use, "containers stand on them"), (pruned.others, "named by others")):
        if images:
            click.echo(f"left alone: {len(images)}, {reason}")


def save(reference: str, target: Path, engine_url: str | None, environment: Mapping[str, str]) -> int:
    """Keep an image as an archive."""
    cache = cache_folder(environment)
    wanted = demand_image(reference)
    if wanted.name is not None:
        # An archive of the cache is enough, if there is one: no engine is asked.
        standing = image_standing(image_folder(wanted.name), cache / "images")
        built = standing.built or _built(wanted.name, engine_url, cache)
        image_id = save_archive(built.archive_path, target, cache / "images")
    else:
        with Engine.connect(engine_url) as engine:
            image_id = save_image(engine, reference, target, cache / "images")
    click.echo(image_id)
    return 0


def _built(name: str, engine_url: str | None, cache: Path) -> BuiltImage:
    with (
        Engine.connect(engine_url) as engine,
        shown_progress(f"building the sandbox image {name}") as tell,
    ):
        return build_image(image_folder(name), cache / "images", engine, tell)


def load(
    archive_path: Path, image_id: str | None, engine_url: str | None, environment: Mapping[str, str]
) -> int:
    """Bring an image back from its archive, held against its lock or the id that is named."""
    cache = cache_folder(environment) / "images"
    facts = read_archive(archive_path)
    with Engine.connect(engine_url) as engine:
        if image_id is not None:
            _tell_id(identify_image(engine, load_archive(engine, archive_path, image_id, cache)))
            return 0
        folder = _folder_of(archive_path, facts.labels.get(NAME_LABEL, ""), facts.image_id)
        built = build_from_archive(folder, archive_path, cache, engine)
        _tell_id(identify_image(engine, load_image(engine, built.archive_path)))
    if built.image_id != facts.image_id:
        click.echo(
            f"lmac: the archive holds {facts.image_id}, which has programs of another LMAC; its packages are "
            "the lock's, and the image was made of them with the programs of this one",
            err=True,
        )
    return 0


def _folder_of(archive_path: Path, name: str, image_id: str) -> Path:
    try:
        return image_folder(name)
    except ConfigError as error:
        raise ConfigError(
            f"{archive_path}: its image {name[:80]!r} is none of those that are shipped here",
            f"if you know it for the image that you want: --id {image_id}",
        ) from error


def _tell_id(image: ImageIdentity) -> None:
    click.echo(image.image_id)
    if image.engine_id != image.image_id:
        click.echo(f"lmac: this engine calls it {image.engine_id}", err=True)


def image_in_engine(engine: Engine, text: str, cache: Path) -> str:
    """An id of an image in the engine; a shipped one is built and loaded if need be.

    Raises:
        ConfigError: there is no such image, or its lock is not the one that is named.
        ImageError: it cannot be built.
        ImageNotFound: an id that the engine does not have.
    """
    name = demand_image(text).name
    try:
        return resolve_image(engine, text, cache)
    except (ImageNotFound, SandboxFailure):
        if name is None:
            raise
    with shown_progress(f"building the sandbox image {name}") as tell:
        built = build_image(image_folder(name), cache / "images", engine, tell)
    return load_image(engine, built.archive_path)
