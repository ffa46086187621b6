"""The fenced protocol: files as fenced blocks under their path, commands as lines of their own.

Small models write code well and JSON badly, so no code travels inside JSON here. The reader is lenient
where the meaning is plain (a path in bold, in the fence's info string, or in the block's first comment; a
last fence left open) and refuses where it is not.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from lmac.messages import Action, Finish, Message, Observation, Reply, Role, ToolSpec
from lmac.processor.actions import Parsed, ProtocolName, ToolForm
from lmac.processor.fenced_blocks import LABEL_CHARACTERS, Block, path_of, pieces

WRITE = "write"

_COMMAND = re.compile(r"^[\s>*\-`]*(?P<verb>[A-Z]{3,})\b[`*.:!]*(?P<rest>.*?)[`*]*\s*$")
_SHOWN_ONLY = frozenset(
    {"bash", "sh", "shell", "console", "text", "txt", "output", "diff", "pycon", "plaintext"}
)


@dataclass(frozen=True, slots=True)
class FencedProtocol:
    """Reads and explains the fenced form."""

    name: ProtocolName = ProtocolName.FENCED

    def manual(self, tools: Sequence[ToolForm]) -> str:
        commands = [tool for tool in tools if tool.spec.name != WRITE]
        width = max((len(tool.fenced_form) for tool in commands), default=0)
        lines = [f"{tool.fenced_form:<{width}}  {tool.spec.description}" for tool in commands]
        return _MANUAL + "\n".join(lines)

    @property
    def how_to_write(self) -> str:
        return "Write each file, whole: a line `FILE: <path>`, then its content in a fenced block."

    def shown_file(self, path: str, content: str) -> str:
        fence = "````" if "```" in content else "```"
        end = "" if content.endswith("\n") else "\n"
        return f"FILE: {path}\n{fence}{'python' if path.endswith('.py') else ''}\n{content}{end}{fence}"

    def specs(self, tools: Sequence[ToolForm]) -> tuple[ToolSpec, ...]:
        return ()

    def parse(self, reply: Reply, tools: Sequence[ToolForm]) -> Parsed:
        by_verb = {tool.spec.name.upper(): tool for tool in tools}
        actions: list[Action] = []
        faults: list[Observation] = []
        for piece in pieces(reply.text):
            read = _file(piece, reply.finish) if isinstance(piece, Block) else _command(piece, by_verb)
            if isinstance(read, Action):
                actions.append(read)
            elif read:
                faults.append(Observation(read, ok=False))
        if not actions and not faults:
            faults.append(Observation(NOTHING_ASKED, ok=False))
        return Parsed(tuple(actions), tuple(faults))

    def spoken(self, reply: Reply) -> Message:
        return Message(Role.ASSISTANT, reply.text)

    def heard(self, observations: Sequence[Observation], notice: str) -> tuple[Message, ...]:
        parts = [observation.text for observation in observations]
        if notice:
            parts.append(notice)
        return (Message(Role.USER, "\n\n".join(parts)),)


NOTHING_ASKED = (
    "Your reply held no file and no command. Write a file as a line `FILE: <path>` and a fenced block with "
    "its whole content, or a command on a line of its own."
)

_MANUAL = """To write a file, put FILE: and its path on a line of their own, then its whole content in a \
fenced block:

FILE: <path>
```python
<the whole content>
```

A content that holds fences itself goes into a fence of four backticks. Commands stand alone on a line, \
outside fenced blocks:

"""


def _file(block: Block, finish: Finish) -> Action | str:
    """The write that a block asks for, or what is wrong with it; "" for a block that is only shown."""
    path = path_of(block)
    if path is None:
        if block.language in _SHOWN_ONLY:
            return ""
        return (
            "A fenced block has no path, so nothing was written: put a line `FILE: <path>` right before it."
        )
    if not block.closed and finish is Finish.LENGTH:
        return f"Your reply was cut within {path}, so it was not written. Write it again, alone and shorter."
    return Action(WRITE, {"path": path, "content": block.content})


def _command(line: str, by_verb: dict[str, ToolForm]) -> Action | str:
    match = _COMMAND.match(line) if len(line) <= LABEL_CHARACTERS else None
    if match is None or match["verb"] not in by_verb or match["verb"] == WRITE.upper():
        return ""
    tool = by_verb[match["verb"]]
    try:
        words = shlex.split(match["rest"])
    except ValueError:
        return f"The command `{line.strip()}` has an open quote; its form is `{tool.fenced_form}`."
    return _arguments(tool, words, line)


def _arguments(tool: ToolForm, words: list[str], line: str) -> Action | str:
    named = dict(zip(tool.positional, words, strict=False))
    further = words[len(tool.positional) :]
    if tool.rest is not None:
        return Action(tool.spec.name, {**named, tool.rest: further})
    if further and tool.spec.parameters.get("required"):
        return f"The command `{line.strip()}` has too many words; its form is `{tool.fenced_form}`."
    if further:
        # "DONE with the first part" is prose: a command that can do without arguments stands alone.
        return ""
    return Action(tool.spec.name, named)
