"""How configs name images: by name, by name and lock, or by id; what is refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lmac.config import RunConfig
from lmac.errors import ConfigError
from lmac.image_reference import ImageReference
from lmac.inputs import load_checks
from lmac.shipped_images import demand_image, demand_pinned_image, image_folder
from lmac_sandbox import lock_digest

LOCK = "1" * 64
ID = f"sha256:{'2' * 64}"
PYTHON_LOCK = lock_digest(image_folder("python"))


@pytest.mark.parametrize("text", ["python", "python-web", f"python@lock:{LOCK}", ID])
def test_a_reference_written_is_the_reference_read(text: str) -> None:
    assert str(ImageReference.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Python",
        "../python",
        "python@lock:",
        f"python@lock:{LOCK[:12]}",
        f"python@lock:sha256:{LOCK}",
        f"python@sha256:{LOCK}",
        f"{ID}\n",
        f"python@lock:{LOCK.upper()}X",
        "sha256:" + "2" * 12,
        "docker.io/library/python",
        "-python",
    ],
)
def test_what_names_no_image_says_how_one_is_named(text: str) -> None:
    with pytest.raises(
        ConfigError, match="neither a name, nor NAME@lock:DIGEST, nor sha256:DIGEST"
    ) as caught:
        ImageReference.parse(text)

    assert "lmac images list" in caught.value.next_step


@pytest.mark.parametrize("name", ["perl", "../python", "", "Python", "python/../python", "-"])
def test_an_image_that_is_not_shipped_lists_those_that_are(name: str) -> None:
    with pytest.raises(ConfigError, match="shipped are node, python"):
        image_folder(name)


def test_the_present_lock_is_accepted_and_another_refused_with_both() -> None:
    assert demand_image(f"python@lock:{PYTHON_LOCK}").is_pinned
    with pytest.raises(ConfigError, match=f"image python: its lock is {PYTHON_LOCK}, not {LOCK}") as caught:
        demand_image(f"python@lock:{LOCK}")

    assert f"python@lock:{PYTHON_LOCK}" in caught.value.next_step


def test_another_lock_is_refused_before_any_engine_is_asked() -> None:
    with pytest.raises(ConfigError, match="its lock is"):
        load_checks(RunConfig(image=f"python@lock:{LOCK}"))
    with pytest.raises(ConfigError, match="image 'ruby': no such image; shipped are"):
        load_checks(RunConfig(image="ruby"))


def test_a_batch_takes_an_id_or_a_lock_and_no_name_alone() -> None:
    assert demand_pinned_image(ID).image_id == ID
    assert demand_pinned_image(f"python@lock:{PYTHON_LOCK}").name == "python"
    with pytest.raises(ConfigError, match="image 'python': a name alone is refused here") as caught:
        demand_pinned_image("python")

    # To be copied.
    assert caught.value.next_step == f"name its lock: python@lock:{PYTHON_LOCK}"


def own_set(folder: Path, image: str) -> str:
    path = folder / "own.yaml"
    entry = {"name": "mine", "command": ["/usr/bin/true"], "files": ["*"], "parser": "exit_code"}
    path.write_text(yaml.safe_dump({"images": [image], "checks": [entry]}))
    return str(path)


def test_a_set_that_names_a_lock_pins_the_image_of_all_sets(tmp_path: Path) -> None:
    pinned = f"python@lock:{PYTHON_LOCK}"

    for sets in (("python", own_set(tmp_path, pinned)), (own_set(tmp_path, pinned), "python")):
        assert load_checks(RunConfig(checks=sets)).image == pinned


def test_a_set_that_names_another_lock_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"own\.yaml, line \d+, key `images\.0`: image python: its lock is"):
        load_checks(RunConfig(checks=(own_set(tmp_path, f"python@lock:{LOCK}"),)))
