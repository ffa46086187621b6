"""The wheel: what travels in it, and that it works outside the checkout."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

from lmac import __version__
from scripted_runs import write_profile

CHECKOUT = Path(__file__).parents[2]
NOWHERE = "http://127.0.0.1:9/v1"


def _succeeded(command: list[str | Path], folder: Path, wall_seconds: float = 100.0) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, encoding="utf-8", timeout=wall_seconds, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as a release is: by pip, in an environment of the build's own."""
    folder = tmp_path_factory.mktemp("wheel")
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    _succeeded([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, CHECKOUT], CHECKOUT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def members(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_carries_every_module_prompt_config_and_image_definition(members: set[str]) -> None:
    def under(source: str, target: str) -> set[str]:
        folder = CHECKOUT / source
        found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return {f"{target}/{path.relative_to(folder).as_posix()}" for path in found}

    wanted = under("engine/lmac", "lmac") | under("sandbox/lmac_sandbox", "lmac_sandbox")
    wanted |= under("configs", "lmac/shipped/configs") | under("images", "lmac/shipped/images")

    assert wanted - members == set()
    assert {"lmac/prompts/codebase.yaml", "lmac/py.typed", "lmac_sandbox/inside/runner.py"} <= members


def test_the_wheel_carries_no_tests_of_ours_no_runs_and_no_bytecode(members: set[str]) -> None:
    tops = {name.split("/")[0] for name in members}

    assert tops == {"lmac", "lmac_sandbox", f"lmac-{__version__}.dist-info"}
    strangers = re.compile(r"__pycache__|\.pyc$|(^|/)runs/|(^|/)\.|\.whl$|conftest|^tests/")
    assert [name for name in members if strangers.search(name)] == []
    own_tests = {path.name for path in (CHECKOUT / "tests").rglob("test_*.py")}
    assert {name.rsplit("/", 1)[-1] for name in members} & own_tests == set()


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_wheel_works_in_an_empty_environment_outside_the_checkout(
    wheel: Path, tmp_path: Path, image_id: str
) -> None:
    home = tmp_path / "environment"
    venv.create(home, with_pip=True)
    install = ["install", "--quiet", "--no-compile", "--disable-pip-version-check"]
    _succeeded([home / "bin" / "pip", *install, wheel], tmp_path, wall_seconds=240)
    _works(home / "bin" / "lmac", home, tmp_path, image_id)


def _works(lmac: Path, home: Path, folder: Path, image_id: str) -> None:
    profile = write_profile(folder, NOWHERE)
    order: list[str | Path] = [lmac, "doctor", "--json", "-k", f"image={image_id}", "-k", f"model={profile}"]
    done = subprocess.run(order, cwd=folder, capture_output=True, encoding="utf-8", check=False)
    examined = {one["what"]: one for one in json.loads(done.stdout)}

    assert __version__ in _succeeded([lmac, "--version"], folder)
    assert done.returncode == 4, done.stderr
    assert [what for what, one in examined.items() if not one["ok"]] == ["model"]
    python = home / "bin" / "python"
    found = _succeeded([python, "-c", WHERE], folder).split()
    assert len(found) == 4
    assert all(Path(path).is_relative_to(home) for path in found)
    shipped = Path(found[1]) / "models" / "smollm2-135m.yaml"
    assert yaml.safe_load(shipped.read_text("utf-8"))["name"] == "smollm2-135m"


WHERE = """
import lmac, lmac_sandbox
from lmac.prompts import shipped_prompts
from lmac.shipped import shipped_folder
assert shipped_prompts("codebase").texts
print(lmac.__file__, shipped_folder("configs"), shipped_folder("images"), lmac_sandbox.__file__)
"""
