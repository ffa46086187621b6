"""What a run's policy makes of a file of requirements, and when an index is asked at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import ValidationError

from lmac.dependencies import (
    CHECK,
    MOST_TRIES,
    Dependencies,
    DependencyOptions,
    PastDecisions,
    past_decisions,
)
from lmac.evaluation import CheckResult, Verdict
from lmac.file_store import FileStore
from lmac.journal import Event
from lmac_sandbox import (
    DependencyRefused,
    ImageMismatch,
    PackageUnavailable,
    PinnedWheel,
    ProvidedDependencies,
    Requirement,
    SandboxError,
    Target,
)
from memory_journal import MemoryJournal
from memory_keeper import MemoryKeeper
from wheel_index import TARGET, pin_of

FILE = "requirements.txt"
INDEX: dict[str, Any] = {"policy": "index"}
LISTED: dict[str, Any] = {"policy": "listed", "listed": ("flask", "sqlalchemy==2.0.36")}


@dataclass
class Shelf:
    """A provider that has every package in version 1.0 but those that it is told not to have."""

    failing: dict[str, SandboxError] = field(default_factory=dict)
    resolved: list[tuple[str, ...]] = field(default_factory=list)
    kept_to: list[str] = field(default_factory=list)

    def resolve(
        self, requirements: Sequence[Requirement], allowed: Sequence[Requirement], target: Target
    ) -> tuple[PinnedWheel, ...]:
        self.resolved.append(tuple(map(str, requirements)))
        self.kept_to = [str(one) for one in allowed]
        return tuple(pin_of(one.name, one.name.encode()) for one in requirements)

    def provide(self, pins: Sequence[PinnedWheel], target: Target) -> ProvidedDependencies:
        for pin in pins:
            if pin.name in self.failing:
                raise self.failing[pin.name]
        return ProvidedDependencies(tuple(pins), "l" * 64, "image of " + ",".join(pin.name for pin in pins))


class Desk:
    """Dependencies of a store in memory."""

    def __init__(self, past: PastDecisions | None = None, **options: Any) -> None:
        self.shelf = Shelf()
        self.journal = MemoryJournal()
        self.store = FileStore(MemoryKeeper())
        self.images: list[str | None] = []
        self.probed = 0
        self.dependencies = Dependencies(
            DependencyOptions(**options),
            self.store,
            self.shelf,
            self._target,
            self.images.append,
            self.journal,
            past,
        )

    def _target(self) -> Target:
        self.probed += 1
        return TARGET

    def told(self, content: str | None) -> str:
        """What comes of the file with this content; "" for nothing."""
        result = self.result(content)
        return "" if result is None else f"{result.verdict}: {result.findings[0].text}"

    def result(self, content: str | None) -> CheckResult | None:
        if content is not None:
            self.store.write(FILE, content.encode())
        results = self.dependencies.prepared()
        assert all(result.check == CHECK for result in results)
        return results[0] if results else None

    def kinds(self) -> list[str]:
        return [event.kind for event in self.journal.events]


def test_a_store_that_asks_for_nothing_costs_nothing() -> None:
    desk = Desk(**INDEX)

    assert desk.told(None) == ""
    assert desk.told("# nothing\n") == ""
    assert (desk.images, desk.shelf.resolved, desk.probed, desk.kinds()) == ([None, None], [], 0, [])


def test_a_folder_of_that_name_asks_for_nothing() -> None:
    desk = Desk(**INDEX)
    desk.store.write(f"{FILE}/flask", b"")

    assert desk.dependencies.prepared() == ()


def test_what_is_given_is_journalled_so_that_it_can_be_given_again() -> None:
    desk = Desk(**INDEX)

    assert desk.told("flask>=1\nx\n") == ""
    (event,) = desk.journal.events
    past = past_decisions(desk.journal.events)
    assert [pin.name for pins in past.pins.values() for pin in pins] == ["flask", "x"]
    assert (event.data["asked"], event.data["layer_sha256"]) == (["flask>=1", "x"], "l" * 64)
    assert desk.images == [event.data["image_id"]] == ["image of flask,x"]

    later = Desk(past, **INDEX)
    assert later.told("flask>=1\nx\n") == ""
    assert later.shelf.resolved == []
    assert later.images == desk.images


def test_what_was_refused_is_refused_again_without_asking() -> None:
    desk = Desk(**INDEX)
    desk.shelf.failing["gone"] = DependencyRefused("no such package")
    said = desk.told("gone\n")

    later = Desk(past_decisions(desk.journal.events), **INDEX)
    assert later.told("gone\n") == said
    assert (later.shelf.resolved, later.kinds(), later.images) == ([], ["dependencies_refused"], [None])


def test_the_same_file_is_decided_once_and_each_state_has_its_own_boxes() -> None:
    desk = Desk(**INDEX)
    for content in ("x\n", "x\n", "y\n", "x\n", "z @ http://attacker\n", "x\n"):
        desk.told(content)

    assert desk.shelf.resolved == [("x",), ("y",)]
    assert desk.images == [f"image of {name}" for name in "xxyx"] + [None, "image of x"]
    assert desk.probed == 1


def test_what_is_not_listed_is_refused_with_what_is() -> None:
    desk = Desk(**LISTED)

    said = desk.told("Flask\nrequests\nnumpy>=1\n")
    assert said.startswith("failed: requirements.txt: requests, numpy: not allowed in this run")
    assert "allowed are flask, sqlalchemy==2.0.36" in said
    assert (desk.shelf.resolved, desk.images, desk.kinds()) == ([], [None], ["dependencies_refused"])


def test_what_is_listed_is_given_in_its_version_and_so_is_what_the_image_brings() -> None:
    desk = Desk(**LISTED)

    assert desk.told("FLASK>1\nSQLAlchemy\npytest\n") == ""
    assert desk.shelf.kept_to == ["sqlalchemy==2.0.36"]


def test_a_line_that_is_no_requirement_is_a_verdict_and_reaches_no_index() -> None:
    desk = Desk(**INDEX)

    assert desk.told("x\n-r /etc/passwd\n").startswith("failed: requirements.txt, line 2: '-r /etc/passwd'")
    assert desk.shelf.resolved == []


def test_a_refused_wheel_is_a_verdict_that_is_not_tried_again() -> None:
    desk = Desk(**INDEX)
    desk.shelf.failing["bomb"] = DependencyRefused("it comes to 9 bytes", "ask for less")

    assert desk.told("bomb\n").startswith("failed: it comes to 9 bytes; ask for less; allowed are")
    assert desk.told("bomb\n").startswith("failed: ")
    assert desk.shelf.resolved == [("bomb",)]


@pytest.mark.parametrize("error", [PackageUnavailable("no answer"), ImageMismatch("other bytes")], ids=repr)
def test_what_fails_for_the_moment_is_never_a_pass_and_is_tried_again(error: SandboxError) -> None:
    desk = Desk(**INDEX)
    desk.shelf.failing["x"] = error

    result = desk.result("x\n")
    assert result is not None
    assert result.verdict is Verdict.BROKEN_OFF
    assert desk.images == [None]

    desk.shelf.failing.clear()
    assert desk.told("x\n") == ""
    assert desk.images[-1] == "image of x"


def test_what_fails_every_time_is_not_tried_for_ever() -> None:
    desk = Desk(**INDEX)
    desk.shelf.failing["x"] = PackageUnavailable("pip did not end within 300 s")

    for _ in range(MOST_TRIES + 2):
        assert desk.told("x\n").startswith("broken off")
    assert len(desk.shelf.resolved) == MOST_TRIES


def test_without_a_policy_whoever_asks_is_told_and_nothing_else_happens() -> None:
    desk = Desk()

    assert desk.told("pytest\n") == ""
    told = "not applicable: nothing of requirements.txt is installed; no packages can be installed"
    for content in ("flask\n", "pytest\nflask\n", "-e .\n"):
        assert desk.told(content).startswith(told)
    assert (set(desk.images), desk.shelf.resolved, desk.probed, desk.kinds()) == ({None}, [], 0, [])


def test_a_candidate_that_asks_for_packages_passes_only_once_it_is_written() -> None:
    desk = Desk(**INDEX)

    (result,) = desk.dependencies.of_candidate({FILE: b"flask\n", "main.py": b""})
    assert result.verdict is Verdict.BROKEN_OFF
    assert desk.dependencies.of_candidate({"main.py": b""}) == ()
    assert Desk().dependencies.of_candidate({FILE: b"flask\n"}) == ()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"policy": "listed"}, "names no package"),
        ({"policy": "listed", "listed": ["flask>=2"]}, "no package's name and no name==version"),
        ({"policy": "listed", "listed": ["flask==2.*"]}, "no package's name and no name==version"),
        ({"listed": ["git+https://attacker/x"]}, "address"),
        ({"file": "../requirements.txt"}, "file"),
        ({"file": "/etc/passwd"}, "file"),
        ({"index_url": "https://user:secret@mirror/simple"}, "index_url"),
        ({"index_url": "file:///etc"}, "index_url"),
        ({"index_url": "https://mirror/simple --trusted-host x"}, "index_url"),
        ({"most_packages": 0}, "most_packages"),
        ({"anything": 1}, "anything"),
    ],
    ids=str,
)
def test_options_that_cannot_be_followed_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        DependencyOptions.model_validate(options)


@pytest.mark.parametrize(
    "data", [{}, {"file_sha256": "x", "pins": [{"name": "x"}]}, {"file_sha256": "x", "pins": [1]}], ids=str
)
def test_pins_of_another_journal_are_not_taken(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="event 3, dependencies: "):
        past_decisions([Event(3, "", "dependencies", data)])


def test_pins_that_no_wheel_can_have_are_not_taken() -> None:
    pin = {"name": "x", "version": "1", "file": "../x.whl", "sha256": "0" * 64}

    with pytest.raises(ValueError, match="no pin of a wheel"):
        past_decisions([Event(3, "", "dependencies", {"file_sha256": "x", "pins": [pin]})])
