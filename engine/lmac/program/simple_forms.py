"""The simple forms of a program, for weak models: JSON of one module a step, or a numbered list."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lmac.program import Instruction, Program, ProgramFault, Requirement, Task, is_test_file, legal_path

_MODULE = re.compile(r"(?<![\w./-])[A-Za-z_][\w/]*\.py\b")


_EXAMPLES = re.compile(r"(?:path/to/.*|(?:test_?)?(?:module|file|your_\w+)\.\w+)", re.IGNORECASE)
"""Paths that stand in examples; weak models copy them."""


class _Step(BaseModel):
    model_config = ConfigDict(extra="forbid")
    module: str = Field(min_length=1, max_length=80)
    tests: str = Field(default="", max_length=80)
    text: str = Field(min_length=1, max_length=400)


class _Steps(BaseModel):
    model_config = ConfigDict(extra="forbid")
    steps: list[_Step] = Field(min_length=1)


def program_schema(most_instructions: int, with_tests: bool = True) -> Mapping[str, Any]:
    """The JSON schema of a program: one file a step, as `module`, with the file of its tests."""
    properties = dict(_Step.model_json_schema()["properties"])
    tests = {key: value for key, value in properties.pop("tests").items() if key != "default"}
    if with_tests:
        properties = {"module": properties["module"], "tests": tests | {"minLength": 1}, **properties}
    step = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "steps": {"type": "array", "minItems": 1, "maxItems": most_instructions, "items": step}
        },
        "required": ["steps"],
        "additionalProperties": False,
    }


def parse_json_program(text: str, most_instructions: int, task: Task) -> Program:
    """Read a program that fits `program_schema`.

    Where the task names its modules, steps for others are left out: small models invent helpers. So are
    paths that the store would refuse, or that only stand in examples.

    Raises:
        ProgramFault: it does not fit, or nothing of it is left.
    """
    try:
        steps = _Steps.model_validate_json(text).steps
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        raise ProgramFault(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from error
    named = modules_named(task)
    kept = [step for step in steps if not named or step.module in named]
    if not kept:
        raise ProgramFault(f"no step writes a module that the task names: {', '.join(sorted(named))}")
    return _counted(merged(Program(tuple(_written(step, task) for step in kept))), most_instructions)


def _written(step: _Step, task: Task) -> Instruction:
    files = _usable((step.module, step.tests), task)
    tests = f" and its tests {step.tests}" if step.tests in files else ""
    opening = f"Write {step.module}{tests}. " if step.module in files else ""
    return Instruction(f"{opening}{step.text}", files)


def _usable(paths: Iterable[str], task: Task) -> tuple[str, ...]:
    """Those of the paths that a step can be held to."""
    return tuple(
        path
        for path in dict.fromkeys(paths)
        if legal_path(path) and (path in task.text or not _EXAMPLES.fullmatch(path))
    )


def modules_named(task: Task) -> frozenset[str]:
    """The Python modules that a task names, its test files left out; empty when it names none."""
    return frozenset(path for path in _MODULE.findall(task.text) if not is_test_file(path))


def modules_then_tests(task: Task, requirements: tuple[Requirement, ...]) -> Program | None:
    """A program that needs no call: all modules that the task names, then all test files that it names.

    None when it does not name both. Requirements that name a test file are the second step's.
    """
    named = dict.fromkeys(path for path in _MODULE.findall(task.text) if legal_path(path))
    modules = tuple(path for path in named if not is_test_file(path))
    tests = tuple(path for path in named if is_test_file(path))
    if not modules or not tests:
        return None
    of_tests = tuple(one.number for one in requirements if any(path in one.text for path in tests))
    of_code = tuple(one.number for one in requirements if one.number not in of_tests)
    code = f"Write {_listed(modules)}: all that the task asks for but its tests, which the next step writes."
    return Program(
        (
            Instruction(code, modules, of_code),
            Instruction(f"Write {_listed(tests)}: the tests that the task asks for.", tests, of_tests),
        ),
        requirements,
    )


def _listed(paths: Sequence[str]) -> str:
    *others, last = paths
    return f"{', '.join(others)} and {last}" if others else last


def merged(program: Program) -> Program:
    """One instruction for each set of files: small models like to spread one module over many steps.

    What is left as the only instruction is the task itself, and its own words would tell less of it.
    """
    by_files: dict[tuple[str, ...], list[str]] = {}
    for position, step in enumerate(program.instructions):
        # A step that names no files is a set of its own.
        by_files.setdefault(step.files or (f"\0{position}",), []).append(step.text)
    if len(by_files) == 1 and (files := program.instructions[0].files):
        return Program((Instruction(f"Write {' and '.join(files)}: all that the task asks for.", files),))
    return Program(
        tuple(
            Instruction(" ".join(dict.fromkeys(texts)), () if files[0].startswith("\0") else files)
            for files, texts in by_files.items()
        )
    )


def _counted(program: Program, most_instructions: int) -> Program:
    count = len(program.instructions)
    if count > most_instructions:
        raise ProgramFault(f"{count} instructions were given; at most {most_instructions} are allowed")
    return program


_NUMBERED = re.compile(r"^\s{0,3}(?:#+\s*)?(?:\*\*)?(?:step\s+)?(\d{1,3})\s*[.):]\s*(.+)$", re.IGNORECASE)
_FILES = re.compile(r"\(?\bfiles?\s*:\s*([^()\n]+)\)?\s*\.?\s*$", re.IGNORECASE)
_FILES_CHARACTERS = 2000
"""The end of an instruction, where its files stand: `_FILES` costs the square of what it is given."""
_FILE_NAME = re.compile(r"[\w./-]+\.[A-Za-z]\w*")


def parse_numbered_program(text: str, most_instructions: int, task: Task | None = None) -> Program:
    """Read a program from a numbered list, the form that small models keep.

    A line that starts with a number opens an instruction; lines up to the next number belong to it. A
    closing "(files: a.py, b.py)" names the files that it expects. Fenced blocks are passed over: code that
    a model writes too early holds numbers as well.

    Raises:
        ProgramFault: no numbered line, or more than `most_instructions`.
    """
    steps = numbered_steps(text, task)
    if not steps:
        raise ProgramFault(
            "no numbered instruction was found; write lines such as `1. Write ... (files: a.py)`"
        )
    return _counted(merged(Program(steps)), most_instructions)


def numbered_steps(text: str, task: Task | None = None) -> tuple[Instruction, ...]:
    """The instructions of a numbered list, as they stand there.

    Args:
        task: What a step's files may be called; None leaves out none.
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
    return tuple(_instruction(" ".join(lines), task) for lines in steps)


def _instruction(text: str, task: Task | None) -> Instruction:
    # A run of spaces would cost `_FILES` its cube in time.
    text = " ".join(text.split())
    match = _FILES.search(text, max(len(text) - _FILES_CHARACTERS, 0))
    if match is None:
        return Instruction(text.strip())
    files = tuple(dict.fromkeys(_FILE_NAME.findall(match[1])))
    said = text[: match.start()].strip() or text.strip()
    return Instruction(said, files if task is None else _usable(files, task))
