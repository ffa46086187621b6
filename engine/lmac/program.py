"""The task and the prompt program that the processor writes for it."""

from __future__ import annotations

import re
from dataclasses import dataclass


class ProgramFault(ValueError):
    """A text that holds no usable program; the message says what is missing, for the model to read."""


@dataclass(frozen=True, slots=True)
class Task:
    """What the user asks for, in their own words."""

    text: str
    name: str
    """A short name for folders and reports, from the file's name or the first words."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One step of the program: small enough to be carried out within one window."""

    text: str
    files: tuple[str, ...] = ()
    """Store paths that the step is expected to write; "" names nothing."""


@dataclass(frozen=True, slots=True)
class Program:
    """The instructions, in the order of their execution. Source: L2MAC, Algorithm 1, lines 1-2."""

    instructions: tuple[Instruction, ...]


_NUMBERED = re.compile(r"^\s{0,3}(?:#+\s*)?(?:\*\*)?(?:step\s+)?(\d{1,3})\s*[.):]\s*(.+)$", re.IGNORECASE)
_FILES = re.compile(r"\(?\bfiles?\s*:\s*([^()\n]+)\)?\s*\.?\s*$", re.IGNORECASE)
_FILE_NAME = re.compile(r"[\w./-]+\.\w+")


def parse_numbered_program(text: str, most_instructions: int) -> Program:
    """Read a program from a numbered list, the form that small models keep.

    A line that starts with a number opens an instruction; lines up to the next number belong to it. A
    closing "(files: a.py, b.py)" names the files that it expects. Fenced blocks are passed over: code that
    a model writes too early holds numbers as well.

    Raises:
        ProgramFault: no numbered line, or more than `most_instructions`.
    """
    steps: list[list[str]] = []
    fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
            continue
        if fenced:
            continue
        if match := _NUMBERED.match(line):
            steps.append([match[2].strip()])
        elif steps and line.strip():
            steps[-1].append(line.strip())
    if not steps:
        raise ProgramFault(
            "no numbered instruction was found; write lines such as `1. Write ... (files: a.py)`"
        )
    if len(steps) > most_instructions:
        raise ProgramFault(f"{len(steps)} instructions were given; at most {most_instructions} are allowed")
    return Program(tuple(_instruction(" ".join(lines)) for lines in steps))


def _instruction(text: str) -> Instruction:
    match = _FILES.search(text)
    if match is None:
        return Instruction(text.strip())
    files = tuple(dict.fromkeys(_FILE_NAME.findall(match[1])))
    return Instruction(text[: match.start()].strip() or text.strip(), files)
