"""What a probe of a model server found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lmac.errors import ModelError
from lmac.messages import Usage
from lmac.models.probe_calls import Manner


class Trait(StrEnum):
    """What servers differ in."""

    REPLY_LIMIT = "reply limit"
    TEMPERATURE = "temperature"
    USAGE = "usage"
    STOP = "stop"
    SEED = "seed"
    CACHED_TOKENS = "cached tokens"
    JSON_SCHEMA = "JSON schema"
    TOOL_CALLS = "tool calls"
    NAMED_TOOL = "named tool"
    PARALLEL_CALLS = "parallel calls"
    CONTEXT = "context"


class Verdict(StrEnum):
    """What came of asking for it."""

    HONOURED = "honoured"
    IGNORED = "ignored"
    """Taken, and not kept."""
    REFUSED = "refused"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Finding:
    """One trait of a server. `said` may quote the server, cut."""

    trait: Trait
    verdict: Verdict
    said: str
    means: str = ""
    """For the profile."""
    contradicts: bool = False
    """The profile as it is says otherwise, so that a run with it fails or does not get what it asks for."""


@dataclass(frozen=True, slots=True)
class Probed:
    """All that was found."""

    findings: tuple[Finding, ...]
    calls: int
    usage: Usage
    """By the server's own count."""
    manner: Manner | None = None
    """None: the server took no request."""
    context_tokens: int | None = None
    reply_tokens: int | None = None
    """The longest reply, if the server tells it."""
    stopped: ModelError | None = None
    """Why the probe ended early."""

    def honours(self, trait: Trait) -> bool:
        """Whether it was seen; what is unclear was not."""
        return any(one.trait is trait and one.verdict is Verdict.HONOURED for one in self.findings)

    @property
    def contradictions(self) -> tuple[Finding, ...]:
        """What of the profile as it is does not fit its server."""
        return tuple(finding for finding in self.findings if finding.contradicts)
