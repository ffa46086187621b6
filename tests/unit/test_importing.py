"""`import lmac` costs next to nothing: what is heavy is imported when its name is first used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lmac

HEAVY = ("click", "docker", "httpx2", "openai", "pathspec", "pydantic", "yaml", "lmac_sandbox", "lmac.api")


def loaded(code: str) -> set[str]:
    """Those of the heavy modules that a fresh interpreter has loaded after the code."""
    asked = f"import sys\n{code}\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, encoding="utf-8", check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded("import lmac") == set()


def test_a_public_name_loads_what_it_needs_and_no_client() -> None:
    found = loaded("import lmac; lmac.generate")

    assert "lmac.api" in found
    assert found.isdisjoint({"docker", "httpx2", "openai"})


@pytest.mark.parametrize("name", lmac.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(lmac, name) is not None


def test_another_name_is_not() -> None:
    with pytest.raises(AttributeError, match="'generat'"):
        lmac.generat  # noqa: B018
