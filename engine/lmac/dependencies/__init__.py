"""Packages that the files of a run ask for: decided by policy, pinned, journalled, and given to its boxes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Protocol

from lmac.dependencies.decision import allowed_words, demand_allowed, how_to_ask, versions_kept_to
from lmac.dependencies.options import DependencyOptions, DependencyPolicy
from lmac.dependencies.past import FAILED, GIVEN, KINDS, REFUSED, PastDecisions, past_decisions
from lmac.evaluation import CheckResult, Finding, Verdict
from lmac.file_store import FileStore
from lmac.journal import Journal
from lmac_sandbox import (
    DependencyRefused,
    Ending,
    FileMissing,
    ImageError,
    Overlay,
    PinnedWheel,
    ProvidedDependencies,
    Requirement,
    Target,
    parse_requirements,
)

__all__ = [
    "CHECK",
    "GIVEN",
    "KINDS",
    "MOST_TRIES",
    "Dependencies",
    "DependencyOptions",
    "DependencyPolicy",
    "PastDecisions",
    "Provider",
    "how_to_ask",
    "past_decisions",
]

CHECK = "dependencies"
"""The name under which a report holds what came of the file."""
_USUAL_TOOLS = frozenset({"pytest"})
"""Of every image that runs Python tests: asking for it says nothing where nothing is installed."""
MOST_TRIES = 3
"""Of one content of the file: each may last as long as pip is given."""


class Provider(Protocol):
    """Where packages come from; `lmac_sandbox.DependencyProvider` is one."""

    def resolve(
        self, requirements: Sequence[Requirement], allowed: Sequence[Requirement], target: Target
    ) -> tuple[PinnedWheel, ...]: ...

    def provide(self, pins: Sequence[PinnedWheel], target: Target) -> ProvidedDependencies: ...


class Dependencies:
    """Sees to it, before files are judged or run, that boxes have what those files ask for.

    Args:
        target: Asks the image what its Python is; called when a file asks for something, and once.
        use_image: Makes boxes start from an image, from now on; None stands for the run's own.
        past: What was decided before is decided again, without asking an index.
    """

    def __init__(
        self,
        options: DependencyOptions,
        store: FileStore,
        provider: Provider | None,
        target: Callable[[], Target],
        use_image: Callable[[str | None], None],
        journal: Journal,
        past: PastDecisions | None = None,
    ) -> None:
        self._options = options
        self._store = store
        self._provider = provider
        self._ask_target = target
        self._target: Target | None = None
        self._use_image = use_image
        self._journal = journal
        self._past = past or PastDecisions()
        self.on_given: Callable[[Mapping[str, Any]], None] = lambda given: None
        """Told of packages that boxes get, once they are journalled."""
        self._tries: Counter[str] = Counter()
        self._known: dict[str, tuple[CheckResult | None, str | None]] = {}

    def prepared(self) -> tuple[CheckResult, ...]:
        """Make boxes ready for the store as it is now; returns what there is to say, mostly nothing.

        What the model asked for and cannot have is a verdict on its files. What only fails for the moment is
        told as broken off, and tried again the next times, at most `MOST_TRIES` in all.

        Raises:
            SandboxError: the engine failed, or a box broke.
        """
        content = self._content()
        digest = hashlib.sha256(content).hexdigest()
        if digest not in self._known:
            result, image_id = self._decided(content, digest)
            broke_off = result is not None and result.verdict is Verdict.BROKEN_OFF
            self._tries[digest] += 1
            if not broke_off or self._tries[digest] == MOST_TRIES:
                self._known[digest] = result, image_id
        else:
            result, image_id = self._known[digest]
        self._use_image(image_id)
        return (result,) if result else ()

    def of_candidate(self, overlay: Overlay) -> tuple[CheckResult, ...]:
        """What there is to say of changes that nobody has written: candidates share their boxes' image."""
        if self._options.file not in overlay or self._options.policy is DependencyPolicy.NONE:
            return ()
        return (_broken_off(f"{self._options.file} is looked at once it is written", self._options.file),)

    def _content(self) -> bytes:
        """Of the file; empty where the store has none, or a folder of that name."""
        if self._store.missing((self._options.file,)):
            return b""
        try:
            return self._store.read(self._options.file)
        except FileMissing:
            return b""

    def _decided(self, content: bytes, digest: str) -> tuple[CheckResult | None, str | None]:
        """What to say, and the image for boxes."""
        if self._options.policy is DependencyPolicy.NONE or self._provider is None:
            return self._remark(content), None
        file = self._options.file
        try:
            requirements = parse_requirements(content, file)
            if not requirements:
                return None, None
            if digest in self._past.refusals:
                return self._refused(self._past.refusals[digest], digest), None
            return None, self._provided(requirements, digest, self._provider)
        except DependencyRefused as error:
            parts = (error.message, error.next_step, allowed_words(self._options))
            return self._refused("; ".join(dict.fromkeys(part for part in parts if part)), digest), None
        except ImageError as error:
            self._journal.append(FAILED, file_sha256=digest, text=error.message)
            return _broken_off(error.message, file), None

    def _refused(self, said: str, digest: str) -> CheckResult:
        self._journal.append(REFUSED, file_sha256=digest, text=said)
        return CheckResult(CHECK, Verdict.FAILED, Ending.EXITED, (Finding(self._options.file, said),))

    def _provided(self, requirements: Sequence[Requirement], digest: str, provider: Provider) -> str:
        if self._target is None:
            self._target = self._ask_target()
        target = self._target
        demand_allowed(requirements, self._options, target.provided)
        pins = self._past.pins.get(digest)
        if pins is None:
            pins = provider.resolve(requirements, versions_kept_to(self._options), target)
        provided = provider.provide(pins, target)
        given = self._journal.append(
            GIVEN,
            file_sha256=digest,
            asked=[str(requirement) for requirement in requirements],
            pins=[asdict(pin) for pin in provided.pins],
            layer_sha256=provided.layer_digest,
            image_id=provided.image_id,
        )
        self.on_given(given.data)
        return provided.image_id

    def _remark(self, content: bytes) -> CheckResult | None:
        """A word to whoever asks where nothing is given: it closes no instruction and keeps none open."""
        file = self._options.file
        # What cannot be read asks for something too.
        with suppress(DependencyRefused):
            if {requirement.key for requirement in parse_requirements(content, file)} <= _USUAL_TOOLS:
                return None
        said = f"nothing of {file} is installed; {allowed_words(self._options)}"
        finding = Finding(file, said, blocking=False)
        return CheckResult(CHECK, Verdict.NOT_APPLICABLE, Ending.EXITED, (finding,), awaits=said)


def _broken_off(text: str, file: str) -> CheckResult:
    return CheckResult(CHECK, Verdict.BROKEN_OFF, Ending.INFRASTRUCTURE_FAILURE, (Finding(file, text),))
