"""How a model's reply becomes actions: one interface, two protocols behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from lmac.messages import Action, Message, Observation, Reply, ToolSpec


class ProtocolName(StrEnum):
    """Which form a model profile asks for."""

    FENCED = "fenced"
    """Files as fenced blocks, commands as short lines: small models keep it."""
    NATIVE = "native"
    """Tool calls of the server."""
    JSON = "json"
    """One JSON object that the server constrains to a schema of the tools."""


class EditForm(StrEnum):
    """A way in which a model may change files."""

    WHOLE = "whole"
    """The whole file anew; the only one that every model can do."""
    REPLACE = "replace"
    """Search and replace."""
    PATCH = "patch"
    """A unified diff."""


WRITE, EDIT, PATCH = "write", "edit", "patch"
"""Names of the tools that change files; in fenced text these are blocks, not commands."""


def offered_edits(edits: tuple[EditForm, ...], protocol: ProtocolName) -> tuple[EditForm, ...]:
    """The ways to change files that a profile names, or those that suit the protocol."""
    if edits:
        return edits
    return tuple(EditForm) if protocol is ProtocolName.NATIVE else (EditForm.WHOLE, EditForm.REPLACE)


@dataclass(frozen=True, slots=True)
class ToolForm:
    """What a protocol needs to know of a tool to offer it and to read calls of it."""

    spec: ToolSpec
    fenced_form: str
    """Its command line, such as `READ <path> [<first>-<last>]`."""
    positional: tuple[str, ...]
    """Names of its arguments in the order of the command line."""
    rest: str | None = None
    """The argument that takes all further words as a list."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What was to become of a file, whose end did not come any more."""

    path: str
    content: str
    """As far as it came."""
    told: str
    """For the model, when the rest does not come either."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a reply asks for, and what in it could not be read."""

    actions: tuple[Action, ...]
    faults: tuple[Observation, ...] = ()
    """For the model: what was malformed and how to write it. Never ok."""
    cut: Cut | None = None
    """A file within which the reply ended at its length limit; a fault names it as well."""


class ActionProtocol(Protocol):
    """A form in which a model asks for actions and is told what came of them."""

    @property
    def name(self) -> ProtocolName: ...

    def manual(self, tools: Sequence[ToolForm]) -> str:
        """The part of the system message that explains the form; "" when the server explains it."""

    @property
    def how_to_write(self) -> str:
        """One sentence that ends a message which asks for files; small models follow what they read last."""
        ...

    def how_to_begin(self, path: str) -> str:
        """The same for whoever replied without a file, with one that is missing."""
        ...

    @property
    def how_to_rewrite(self) -> str:
        """The same where files are to be corrected, of a model that writes them whole."""
        ...

    @property
    def how_to_change(self) -> str:
        """The same where files are to be corrected, of a model that may replace parts of them."""
        ...

    def shown_file(self, path: str, content: str) -> str:
        """A file as the model is shown it: in the form in which it writes files itself."""

    def specs(self, tools: Sequence[ToolForm]) -> tuple[ToolSpec, ...]:
        """What the request's `tools` hold."""

    def schema(self, tools: Sequence[ToolForm]) -> Mapping[str, Any] | None:
        """What the reply's text must fit, where the server is to constrain it."""

    def parse(self, reply: Reply, tools: Sequence[ToolForm]) -> Parsed:
        """Read a reply; whatever it holds, this returns."""

    def spoken(self, reply: Reply) -> Message:
        """The reply as it enters the window."""

    def heard(self, observations: Sequence[Observation], notice: str) -> tuple[Message, ...]:
        """What came of the actions, and a notice of the control unit, as messages that servers accept."""
