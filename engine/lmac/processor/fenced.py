"""The fenced protocol: files as fenced blocks under their path, commands as lines of their own.

Small models write code well and JSON badly, so no code travels inside JSON here. The reader is lenient
where the meaning is plain (a path in bold, in the fence's info string, or in the block's first comment; a
last fence left open) and refuses where it is not.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lmac.messages import Action, Finish, Message, Observation, Reply, Role, ToolSpec
from lmac.processor.actions import Parsed, ProtocolName, ToolForm

WRITE = "write"

_FENCE = re.compile(r"^ {0,3}(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^`]*)$")
_PATH = r"(?P<path>[\w.@+-]+(?:/[\w.@+-]+)*)"
_LABEL = re.compile(
    rf"^[\s#>*\-\d.]*(?:FILE|File|file|PATH|Path|path)?\s*:?[\s*]*[`*]*{_PATH}[`*]*\s*:?[\s*]*$"
)
_EXPLICIT = re.compile(rf"^[\s#>*]*FILE\s*:[\s*`]*{_PATH}[\s*`]*:?$", re.IGNORECASE)
_INFO_PATH = re.compile(rf"^(?:\w+[\s:,]+)?(?:(?:path|file|title|filename)\s*=\s*)?[\"']?{_PATH}[\"']?\s*$")
_COMMENT_PATH = re.compile(rf"^\s*(?:#|//|--|<!--|/\*)\s*(?:FILE\s*:|File\s*:)?\s*{_PATH}\s*(?:-->|\*/)?\s*$")
_COMMAND = re.compile(r"^[\s>*\-`]*(?P<verb>[A-Z]{3,})\b[`*.:!]*(?P<rest>.*?)[`*]*\s*$")
_SHOWN_ONLY = frozenset(
    {"bash", "sh", "shell", "console", "text", "txt", "output", "diff", "pycon", "plaintext"}
)


@dataclass(frozen=True, slots=True)
class _Block:
    """A fenced block with the line that stood before it."""

    before: str
    info: str
    content: str
    closed: bool


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
        for piece in _pieces(reply.text):
            read = _file(piece, reply.finish) if isinstance(piece, _Block) else _command(piece, by_verb)
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


def _pieces(text: str) -> list[str | _Block]:
    """The reply as lines and blocks, in order."""
    pieces: list[str | _Block] = []
    before = ""
    lines = iter(text.splitlines())
    for line in lines:
        opening = _FENCE.match(line)
        if opening is None:
            pieces.append(line)
            before = line if line.strip() else before
            continue
        block = _block(before, opening["fence"], opening["info"].strip(), lines)
        pieces.append(block)
        before = ""
    return pieces


def _block(before: str, fence: str, info: str, lines: Iterator[str]) -> _Block:
    """Read on to the fence that closes this block; one within Markdown opens a block of its own."""
    markdown = info.lower().startswith(("markdown", "md")) or ".md" in before
    content: list[str] = []
    depth = 0
    for line in lines:
        match = _FENCE.match(line)
        if match and match["fence"].startswith(fence):
            if markdown and match["info"].strip():
                depth += 1
            elif depth:
                depth -= 1
            elif not match["info"].strip():
                return _Block(before, info, "".join(f"{kept}\n" for kept in content), closed=True)
        content.append(line)
    return _Block(before, info, "".join(f"{kept}\n" for kept in content), closed=False)


def _file(block: _Block, finish: Finish) -> Action | str:
    """The write that a block asks for, or what is wrong with it; "" for a block that is only shown."""
    path = _path_of(block)
    if path is None:
        if block.info.split(" ")[0].lower() in _SHOWN_ONLY:
            return ""
        return (
            "A fenced block has no path, so nothing was written: put a line `FILE: <path>` right before it."
        )
    if not block.closed and finish is Finish.LENGTH:
        return f"Your reply was cut within {path}, so it was not written. Write it again, alone and shorter."
    return Action(WRITE, {"path": path, "content": block.content})


def _path_of(block: _Block) -> str | None:
    if match := _EXPLICIT.match(block.before):
        return match["path"]
    if (match := _INFO_PATH.match(block.info)) and "." in match["path"]:
        return match["path"]
    if (match := _LABEL.match(block.before)) and "." in match["path"].strip("."):
        return match["path"]
    first = block.content.split("\n", 1)[0]
    if (match := _COMMENT_PATH.match(first)) and "." in match["path"].strip("."):
        return match["path"]
    return None


def _command(line: str, by_verb: dict[str, ToolForm]) -> Action | str:
    match = _COMMAND.match(line)
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
    if further and tool.positional:
        return f"The command `{line.strip()}` has too many words; its form is `{tool.fenced_form}`."
    if further:
        # "DONE with the first part" is prose: a command without arguments stands alone.
        return ""
    return Action(tool.spec.name, named)
