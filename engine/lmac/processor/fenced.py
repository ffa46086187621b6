"""The fenced protocol: files as fenced blocks under their path, commands as lines of their own.

Small models write code well and JSON badly, so no code travels inside JSON here. The reader is lenient
where the meaning is plain (a path in bold, in the fence's info string, or in the block's first comment; a
last fence left open) and refuses where it is not.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lmac.messages import Action, Finish, Message, Observation, Reply, Role, ToolSpec
from lmac.processor.actions import EDIT, PATCH, WRITE, Cut, Parsed, ProtocolName, ToolForm
from lmac.processor.edit_blocks import BlockFault, is_edit, replacements_in
from lmac.processor.fenced_blocks import LABEL_CHARACTERS, Block, parted, path_of, pieces
from lmac.processor.json_calls import calls_in

_BLOCKS = frozenset({WRITE, EDIT, PATCH})

_COMMAND = re.compile(r"^[\s>*\-`]*(?P<verb>[A-Z]{3,})\b[`*.:!]*(?P<rest>.*?)[`*]*\s*$")
_CUT_SHORT = (Finish.LENGTH, Finish.FILTERED)
_SHOWN_ONLY = frozenset(
    {"bash", "sh", "shell", "console", "text", "txt", "output", "diff", "pycon", "plaintext"}
)
_DIFFS = frozenset({"diff", "patch", "udiff"})


@dataclass(frozen=True, slots=True)
class FencedProtocol:
    """Reads and explains the fenced form."""

    name: ProtocolName = ProtocolName.FENCED

    def manual(self, tools: Sequence[ToolForm]) -> str:
        names = {tool.spec.name for tool in tools}
        commands = [tool for tool in tools if tool.spec.name not in _BLOCKS]
        width = max((len(tool.fenced_form) for tool in commands), default=0)
        lines = [f"{tool.fenced_form:<{width}}  {tool.spec.description}" for tool in commands]
        ways = (_WRITE_MANUAL, _EDIT_MANUAL * (EDIT in names), _PATCH_MANUAL * (PATCH in names))
        return "".join(ways) + _COMMANDS_MANUAL + "\n".join(lines)

    @property
    def how_to_write(self) -> str:
        return "Write each file, whole: a line `FILE: <path>`, then its content in a fenced block."

    def how_to_begin(self, path: str) -> str:
        return f"Begin your reply with the line `FILE: {path}`, then its whole content in a fenced block."

    @property
    def how_to_rewrite(self) -> str:
        # A small model that explains first spends its reply on that, and forgets the form.
        return (
            "Begin your reply with the line `FILE: <path>` of the file that you correct, then its whole "
            "content in a fenced block."
        )

    @property
    def how_to_change(self) -> str:
        return (
            "Change a few lines by SEARCH and REPLACE in a block under `FILE: <path>`; a new file, or one of "
            "which most changes, is written whole."
        )

    def shown_file(self, path: str, content: str) -> str:
        fence = "````" if "```" in content else "```"
        end = "" if content.endswith("\n") else "\n"
        return f"FILE: {path}\n{fence}{'python' if path.endswith('.py') else ''}\n{content}{end}{fence}"

    def schema(self, tools: Sequence[ToolForm]) -> Mapping[str, Any] | None:
        return None

    def specs(self, tools: Sequence[ToolForm]) -> tuple[ToolSpec, ...]:
        return ()

    def parse(self, reply: Reply, tools: Sequence[ToolForm]) -> Parsed:
        by_verb = {tool.spec.name.upper(): tool for tool in tools if tool.spec.name not in _BLOCKS}
        actions: list[Action] = []
        faults: list[Observation] = []
        cut: Cut | None = None
        found = [part for piece in pieces(reply.text) for part in parted(piece)]
        for number, piece in enumerate(found, 1):
            if not isinstance(piece, str):
                read: _Read = _block(piece, reply.finish, tools)
            else:
                read = _command(piece, by_verb)
                if read and number == len(found) and reply.finish in _CUT_SHORT:
                    # "DELETE src" may have been the beginning of "DELETE src/old.py".
                    read = f"Your reply was cut within `{piece.strip()}`, so that was not carried out."
            match read:
                case Cut():
                    cut = read
                    faults.append(Observation(read.told, ok=False))
                case str():
                    if read:
                        faults.append(Observation(read, ok=False))
                case _:
                    actions += read
        if not actions and not faults:
            # A small model may answer with the JSON alone.
            actions += calls_in(reply.text, tools)
        if not actions and not faults:
            faults.append(Observation(NOTHING_ASKED, ok=False))
        return Parsed(tuple(actions), tuple(faults), cut)

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

_CUT = (
    "Your reply was cut within {path}, so it was not written. Write it again, alone in a reply and shorter; "
    "what is too long for one reply goes into two files."
)

_WRITE_MANUAL = """To write a file, put FILE: and its path on a line of their own, then its whole content in \
a fenced block:

FILE: <path>
```python
<the whole content>
```

"""

_EDIT_MANUAL = """To change a part of a long file, put what shall change into the fence instead, several \
times if needed. The lines after SEARCH must stand in the file exactly so, and only once:

FILE: <path>
```python
<<<<<<< SEARCH
<lines as they are now>
=======
<lines as they shall be>
>>>>>>> REPLACE
```

"""

_PATCH_MANUAL = """Or put a unified diff into a fence of the language diff, under the line FILE: <path>.

"""

_COMMANDS_MANUAL = """A content that holds fences itself goes into a fence of four backticks. Commands stand \
alone on a line, outside fenced blocks:

"""

_Read = tuple[Action, ...] | Cut | str
"""Actions, a file that was cut, or what is wrong; "" for what asks for nothing."""


def _block(block: Block, finish: Finish, tools: Sequence[ToolForm]) -> _Read:
    path = path_of(block)
    if block.call or path is None or (block.language == "json" and not path.endswith(".json")):
        if actions := calls_in(block.content, tools):
            return actions
        if block.call:
            return (
                "What stands between the marks of a tool call is no JSON that names a tool and its arguments."
            )
    if path is None:
        if block.language in _SHOWN_ONLY:
            return ""
        return (
            "A fenced block has no path, so nothing was written: put a line `FILE: <path>` right before it."
        )
    return _file(block, path, finish, {tool.spec.name for tool in tools})


def _file(block: Block, path: str, finish: Finish, names: set[str]) -> _Read:
    """What a block under a path does with the file."""
    if is_edit(block.content):
        if EDIT not in names:
            return f"{path} was not changed: SEARCH and REPLACE are not offered here. Write the whole file."
        if not block.closed and finish in _CUT_SHORT:
            told = f"Your reply was cut within the changes to {path}, so none was made. Give fewer at once."
            return Cut(path, block.content, told)
        try:
            return (Action(EDIT, {"path": path, "replacements": replacements_in(block.content)}),)
        except BlockFault as fault:
            return f"{path} was not changed: {fault}."
    if block.language in _DIFFS and not path.endswith((".diff", ".patch")):
        if PATCH not in names:
            return f"{path} was not changed: diffs are not offered here. Write the whole file."
        if not block.closed and finish in _CUT_SHORT:
            told = f"Your reply was cut within the diff of {path}, so it was not applied. Give a shorter one."
            return Cut(path, block.content, told)
        return (Action(PATCH, {"path": path, "diff": block.content}),)
    if not block.closed and finish in _CUT_SHORT:
        return Cut(path, block.content, _CUT.format(path=path))
    return (Action(WRITE, {"path": path, "content": block.content}),)


def _command(line: str, by_verb: dict[str, ToolForm]) -> _Read:
    match = _COMMAND.match(line) if len(line) <= LABEL_CHARACTERS else None
    if match is None or match["verb"] not in by_verb:
        return ""
    tool = by_verb[match["verb"]]
    try:
        words = shlex.split(match["rest"])
    except ValueError:
        return f"The command `{line.strip()}` has an open quote; its form is `{tool.fenced_form}`."
    return _arguments(tool, words, line)


def _arguments(tool: ToolForm, words: list[str], line: str) -> _Read:
    named = dict(zip(tool.positional, words, strict=False))
    further = words[len(tool.positional) :]
    if tool.rest is not None:
        return (Action(tool.spec.name, {**named, tool.rest: further}),)
    if further and tool.spec.parameters.get("required"):
        return f"The command `{line.strip()}` has too many words; its form is `{tool.fenced_form}`."
    if further:
        # "DONE with the first part" is prose: a command that can do without arguments stands alone.
        return ""
    return (Action(tool.spec.name, named),)
