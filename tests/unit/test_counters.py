"""Where a runner counts: told by its command line, as `start` hands it over."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from lmac_sandbox import Limits
from lmac_sandbox.inside import counters, start
from lmac_sandbox.inside.counters import Counters, read_counters
from lmac_sandbox.inside.users import BoxUsers
from lmac_sandbox.policy import RUNNER_COMMAND, TOOLS_RUNNER_COMMAND, box_options, for_engine

COUNTED = Counters(7, 7)


@pytest.fixture
def argv(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The process's own, empty so far; a kernel that has counted seven of each is below it."""
    own: list[str] = []
    monkeypatch.setattr(sys, "argv", own)
    monkeypatch.setattr(counters, "_value", lambda files, key: 7)
    return own


@pytest.mark.parametrize("command", [RUNNER_COMMAND, TOOLS_RUNNER_COMMAND])
@pytest.mark.parametrize(
    ("runtime", "seen"), [("runsc", Counters(0, 0)), ("runc", COUNTED), (None, COUNTED)], ids=str
)
def test_a_runner_of_either_kind_counts_nothing_under_gvisor_and_only_there(
    monkeypatch: pytest.MonkeyPatch,
    argv: list[str],
    command: tuple[str, ...],
    runtime: str | None,
    seen: Counters,
) -> None:
    options = for_engine(box_options(Limits(), "sha256:1", "v", {}, BoxUsers(0), command), "docker", runtime)
    words = options["Cmd"]
    argv += words[next(n for n, word in enumerate(words) if word.endswith("start.py")) :]
    found: list[Counters] = []
    runner = SimpleNamespace(main=lambda: found.append(read_counters()))
    monkeypatch.setattr(start, "load_package", lambda: None)
    monkeypatch.setattr("importlib.import_module", lambda name: runner)
    start.main()

    assert found == [seen]
