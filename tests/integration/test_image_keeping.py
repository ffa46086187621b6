"""Images proven, kept and removed on the real engine: with `text`, which is the smallest."""

from __future__ import annotations

import io
import json
import os
import secrets
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from command_line import Shell
from lmac_sandbox import Engine, ImageMismatch, PackageUnavailable
from lmac_sandbox.image_archive import read_archive, write_archive
from lmac_sandbox.image_build import LAYER_TITLES, Recipe
from lmac_sandbox.image_identity import identify_image, our_images
from lmac_sandbox.images import (
    BuiltImage,
    build_from_archive,
    build_image,
    load_image,
    prove_content,
    prove_image,
    prune_images,
)
from sandbox_fixtures import CACHE, IMAGES

pytestmark = [pytest.mark.engine, pytest.mark.slow]

INSIDE = Path(__file__).parents[2] / "sandbox" / "lmac_sandbox" / "inside"


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Definition and programs as they are now: someone may edit the checkout while the tests run."""
    folder = tmp_path_factory.mktemp("frozen")
    shutil.copytree(IMAGES / "text", folder / "text")
    shutil.copytree(INSIDE, folder / "inside", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def built(engine: Engine, frozen: Path) -> BuiltImage:
    return build_image(frozen / "text", CACHE, engine, programs_folder=frozen / "inside")


def without_mirrors(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A day on which no mirror has any of the packages."""
    folder.mkdir()
    (folder / "sources.list").touch()
    (folder / "apt.conf").write_text(
        f'Dir::Etc::sourcelist "{folder}/sources.list";\nDir::Etc::sourceparts "/dev/null";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(folder / "apt.conf"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")


def altered(built: BuiltImage, folder: Path, change: Callable[[list[Path]], None]) -> Path:
    """An archive with other layers under the labels of ours."""
    facts = read_archive(built.archive_path)
    layers = []
    with built.archive_path.open("rb") as archive:
        for number, span in enumerate(facts.layers):
            archive.seek(span.offset)
            layers.append(folder / f"layer-{number}.tar")
            layers[-1].write_bytes(archive.read(span.size_bytes))
    change(layers)
    config = json.loads(facts.config)
    config["rootfs"]["diff_ids"] = [digest_of(layer) for layer in layers]
    write_archive(folder / "altered.tar", json.dumps(config).encode(), layers, facts.tag)
    return folder / "altered.tar"


def digest_of(layer: Path) -> str:
    from lmac_sandbox.download_cache import file_sha256

    return f"sha256:{file_sha256(layer)}"


def with_another_file(path: str, content: bytes) -> Callable[[Path], None]:
    def change(layer: Path) -> None:
        target = io.BytesIO()
        with tarfile.open(layer) as source, tarfile.open(fileobj=target, mode="w") as made:
            for info in source.getmembers():
                body = source.extractfile(info) if info.isreg() else None
                if info.name == path:
                    body, info.size = io.BytesIO(content), len(content)
                made.addfile(info, body)
        layer.write_bytes(target.getvalue())

    return change


PROGRAM = "opt/lmac/inside/keeper.py"


def test_the_engines_image_is_proven_layer_by_layer(engine: Engine, built: BuiltImage, frozen: Path) -> None:
    engine_id = load_image(engine, built.archive_path)

    proof = prove_image(engine, frozen / "text", CACHE, programs_folder=frozen / "inside")

    assert proof.holds
    assert (proof.identity.engine_id, proof.image_id) == (engine_id, built.image_id)
    assert [layer.title for layer in proof.layers] == list(LAYER_TITLES)
    assert tuple(layer.digest for layer in proof.layers) == built.layer_digests
    assert prove_content(engine, engine_id, CACHE).holds


def test_an_image_that_only_says_that_it_is_ours_is_found_out_by_its_file(
    engine: Engine, built: BuiltImage, frozen: Path, tmp_path: Path
) -> None:
    change = with_another_file(PROGRAM, b"import os\n")
    impostor = load_image(engine, altered(built, tmp_path, lambda layers: change(layers[3])))
    try:
        proof = prove_image(
            engine, frozen / "text", CACHE, programs_folder=frozen / "inside", reference=impostor
        )
    finally:
        engine.client.images.remove(impostor, force=True)
        load_image(engine, built.archive_path)

    assert not proof.holds
    assert [layer.title for layer in proof.layers if layer.digest != layer.promised] == [LAYER_TITLES[3]]
    (fault,) = proof.layers[3].faults
    assert fault.startswith(f"/{PROGRAM}: content sha256:")


def test_an_archive_stands_in_for_packages_that_mirrors_have_dropped(
    engine: Engine, built: BuiltImage, frozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_mirrors(monkeypatch, tmp_path / "host")
    cache = tmp_path / "cache"
    with pytest.raises(PackageUnavailable) as caught:
        build_image(frozen / "text", cache, engine, programs_folder=frozen / "inside")
    assert "lmac images load" in caught.value.next_step

    again = build_from_archive(
        frozen / "text", built.archive_path, cache, engine, programs_folder=frozen / "inside"
    )

    assert again.image_id == built.image_id
    assert build_image(frozen / "text", cache, engine, programs_folder=frozen / "inside") == again


def test_an_archive_of_an_lmac_with_other_programs_will_do(
    engine: Engine, built: BuiltImage, frozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_mirrors(monkeypatch, tmp_path / "host")
    later = shutil.copytree(frozen / "inside", tmp_path / "inside")
    (later / "more.py").write_text("MORE = 1\n")

    again = build_from_archive(
        frozen / "text", built.archive_path, tmp_path / "cache", engine, programs_folder=later
    )

    assert again.layer_digests[:3] == built.layer_digests[:3]
    assert again.image_id != built.image_id
    assert read_archive(again.archive_path).recipe == Recipe.read(frozen / "text", later).digest


def test_nothing_of_an_archive_is_used_whose_packages_are_not_the_locks(
    engine: Engine, built: BuiltImage, frozen: Path, tmp_path: Path
) -> None:
    change = with_another_file("usr/lib/python3.11/os.py", b"import evil\n")
    hostile = altered(built, tmp_path, lambda layers: change(layers[0]))

    with pytest.raises(
        ImageMismatch, match=r"its layer of Debian packages is sha256:.* the lock of image text"
    ):
        build_from_archive(
            frozen / "text", hostile, tmp_path / "cache", engine, programs_folder=frozen / "inside"
        )

    assert not (tmp_path / "cache").exists()


def test_our_own_layer_of_an_archive_is_never_used(
    engine: Engine, built: BuiltImage, frozen: Path, tmp_path: Path
) -> None:
    change = with_another_file(PROGRAM, b"import evil\n")
    hostile = altered(built, tmp_path, lambda layers: change(layers[3]))
    before = {image.engine_id for image in our_images(engine)}

    with pytest.raises(
        ImageMismatch, match="LMAC's own layer or the configuration is not what this LMAC makes"
    ):
        build_from_archive(
            frozen / "text", hostile, tmp_path / "cache", engine, programs_folder=frozen / "inside"
        )

    assert read_archive(hostile).image_id not in {image.image_id for image in our_images(engine)}
    assert before <= {image.engine_id for image in our_images(engine)} | {built.image_id}


def test_an_image_that_a_container_stands_on_is_pruned_only_after_it(
    engine: Engine, frozen: Path, tmp_path: Path
) -> None:
    name = f"test-{secrets.token_hex(4)}"
    definition = shutil.copytree(frozen / "text", tmp_path / name)
    text = (definition / "image.yaml").read_text()
    (definition / "image.yaml").write_text(text.replace("name: text\n", f"name: {name}\n"))
    programs = shutil.copytree(frozen / "inside", tmp_path / "inside")
    (programs / "more.py").write_text("MORE = 1\n")
    mine = build_image(definition, CACHE, engine, programs_folder=programs)
    engine_id = load_image(engine, mine.archive_path)
    mine.archive_path.unlink()
    with engine.call("hold an image") as client:
        container = client.containers.create(engine_id)

    held = prune_images(engine, (), names=(name,))
    container.remove(force=True)
    planned = prune_images(engine, (), names=(name,), dry_run=True)
    assert identify_image(engine, engine_id).name == name
    done = prune_images(engine, (), names=(name,))

    assert ([image.engine_id for image in held.in_use], held.removed) == ([engine_id], ())
    assert planned == done
    assert [image.engine_id for image in done.removed] == [engine_id]
    # Its other layers are those of `text` too.
    assert 0 < done.freed_bytes < mine.size_bytes / 2
    assert name not in {image.name for image in our_images(engine)}


BUILD = """
import os, sys
from pathlib import Path
from lmac_sandbox import Engine
from lmac_sandbox.images import build_image
os.umask(int(sys.argv[4], 8))
with Engine.connect() as engine:
    built = build_image(Path(sys.argv[1]), Path(sys.argv[2]), engine, programs_folder=Path(sys.argv[3]))
print(built.image_id, *built.layer_digests)
"""


def build_elsewhere(frozen: Path, folder: Path, umask: str, at: int, **variables: str) -> str:
    """What another process builds in a clean folder, whose files were made in this order at this time."""
    folder.mkdir()
    for name in ("text", "inside"):
        paths = sorted((frozen / name).iterdir(), reverse=at % 2 == 0)
        (folder / name).mkdir()
        for path in paths:
            shutil.copyfile(path, folder / name / path.name)
            os.utime(folder / name / path.name, (at, at))
    (folder / "cache").mkdir()
    (folder / "cache" / "packages").symlink_to(CACHE / "packages")
    places = [str(folder / "text"), str(folder / "cache"), str(folder / "inside"), umask]
    done = subprocess.run(
        [sys.executable, "-c", BUILD, *places],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_two_clean_folders_under_other_habits_give_the_same_image(
    built: BuiltImage, frozen: Path, tmp_path: Path
) -> None:
    here = build_elsewhere(frozen, tmp_path / "a", "022", 86_401, TZ="UTC", LC_ALL="C", PYTHONHASHSEED="1")
    there = build_elsewhere(
        frozen,
        tmp_path / "another name",
        "077",
        4_000_000_000,
        TZ="Pacific/Chatham",
        LC_ALL="tr_TR.UTF-8",
        PYTHONHASHSEED="2",
        SOURCE_DATE_EPOCH="7",
    )

    assert here == there == " ".join([built.image_id, *built.layer_digests]) + "\n"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, {"LMAC_CACHE": str(CACHE.parent)})


def test_an_image_goes_from_the_shell_into_an_archive_and_back(shell: Shell, tmp_path: Path) -> None:
    image_id = shell.lmac("images", "build", "text").stdout.strip()

    saved = shell.lmac("images", "save", "text", "text.tar")
    again = shell.lmac("images", "save", "text", "text.tar")
    by_id = shell.lmac("images", "save", image_id, "by-id.tar")
    loaded = shell.lmac("images", "load", "text.tar")
    named = shell.lmac("images", "load", "text.tar", "--id", image_id)
    other = shell.lmac("images", "load", "text.tar", "--id", "sha256:" + "0" * 64)

    assert [ended.stdout for ended in (saved, by_id, loaded, named)] == [f"{image_id}\n"] * 4
    assert (again.code, "text.tar exists already" in again.stderr) == (5, True)
    assert (other.code, "holds image sha256:" in other.stderr) == (5, True)
    assert (tmp_path / "text.tar").read_bytes() == (tmp_path / "by-id.tar").read_bytes()


def test_a_hostile_archive_is_refused_from_the_shell_with_its_name(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "odd.tar").write_bytes(os.urandom(4096))

    ended = shell.lmac("images", "load", "odd.tar")

    assert ended.code == 5
    assert "odd.tar is no image archive" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_shell_lists_what_configs_name_and_proves_an_image(shell: Shell) -> None:
    image_id = shell.lmac("images", "build", "text").stdout.strip()

    listed = json.loads(shell.lmac("images", "list", "--json").stdout)
    proven = shell.lmac("images", "verify", "text")

    assert [one["name"] for one in listed] == ["node", "python", "python-web", "text"]
    (text,) = (one for one in listed if one["name"] == "text")
    assert text["image_id"] == text["engine_id"] == image_id
    assert text["locked_name"] == f"text@lock:{Recipe.read(IMAGES / 'text').lock.digest()}"
    assert proven.code == 0, proven.stderr
    assert [line.split()[0] for line in proven.stdout.splitlines()] == ["ok"] * 5
