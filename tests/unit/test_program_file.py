"""A user's own program is read whole, or refused with file, line, key and value."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac.errors import ConfigError
from lmac.program import Instruction, Program, PublicName, Requirement, Task
from lmac.program_file import load_program

TASK = Task("Write it.\n\n1. It doubles.\n2. It halves.\n", "t")
WHOLE = """
requirements:
  - {number: 3, text: It doubles.}
  - It halves.
instructions:
  - text: Write doubling.
    files: [{path: a.py, public_names: [double]}, test_a.py]
    requirements: [3]
    check: test_a.py
  - text: Write halving.
    files: [b.py]
    requirements: [2]
    depends_on: [1]
  - Write the rest.
"""


def written(folder: Path, text: str, name: str = "own.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_whole_program_as_yaml(tmp_path: Path) -> None:
    program = load_program(written(tmp_path, WHOLE), TASK)

    assert program.requirements == (Requirement(3, "It doubles."), Requirement(2, "It halves."))
    assert program.instructions == (
        Instruction(
            "Write doubling.",
            ("a.py", "test_a.py"),
            (3,),
            (PublicName("a.py", "double"),),
            check="test_a.py",
            number=1,
        ),
        Instruction("Write halving.", ("b.py",), (2,), depends_on=(1,), number=2),
        Instruction("Write the rest.", number=3),
    )


def test_without_requirements_of_its_own_its_instructions_name_those_of_the_task(tmp_path: Path) -> None:
    program = load_program(written(tmp_path, "instructions: [{text: a, requirements: [2]}]"), TASK)

    assert program == Program((Instruction("a", requirements=(2,), number=1),))


@pytest.mark.parametrize(
    "text",
    [
        "1. Write a. (files: a.py, test_a.py)\n2. Write a again. (files: a.py, test_a.py)\n",
        "My plan:\n\n- Write a. (files: a.py, test_a.py)\n- Write a again. (files: a.py, test_a.py)\n",
    ],
)
def test_a_plain_list_is_taken_as_it_stands(tmp_path: Path, text: str) -> None:
    program = load_program(written(tmp_path, text, "own.md"), TASK)

    assert program.instructions == (
        Instruction("Write a.", ("a.py", "test_a.py"), number=1),
        Instruction("Write a again.", ("a.py", "test_a.py"), number=2),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("instructions: []", "own.yaml, line 1, key `instructions`"),
        ("steps: [a]", "there is no such key"),
        ("instructions:\n- text: ''", "own.yaml, line 2, key `instructions.0.text`"),
        ("instructions:\n- {text: a, file: [x]}", "did you mean `files`"),
        ("instructions:\n- {text: a, files: [../x]}", "line 2, key `instructions.0.files.0`.*'../x'"),
        ("instructions:\n- a\n- {text: b, depends_on: [9]}", "line 3.*no instruction 9"),
        ("instructions:\n- {text: a, requirements: [7]}", "line 2.*no requirement 7"),
        ("instructions:\n- {text: a, depends_on: [2]}\n- {text: b, depends_on: [1]}", "line 2.*1, 2.*circle"),
        ("instructions: [a]\nrequirements: [{text: a, number: 2}, b]", "two requirements 2"),
        ("- a", "a mapping of keys to values is expected"),
        ("instructions: [", "no YAML"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load_program(written(tmp_path, text), TASK)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Just prose.", "own.md: it holds no list"),
        ("1. Write it. (files: /etc/a.py)", "own.md, instruction 1: '/etc/a.py'"),
        ("\n".join(f"- step {number}" for number in range(201)), "201 instructions"),
        ("x" * 200_001, "200,001 characters"),
    ],
)
def test_a_list_that_is_no_program_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load_program(written(tmp_path, text, "own.md"), TASK)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"program .*absent\.yaml"):
        load_program(tmp_path / "absent.yaml", TASK)


@given(st.text(max_size=60), st.sampled_from(["own.yaml", "own.md"]))
def test_no_text_of_the_user_ends_otherwise_than_read_or_named(
    tmp_path_factory: pytest.TempPathFactory, text: str, name: str
) -> None:
    path = tmp_path_factory.mktemp("program") / name
    path.write_bytes(text.encode("utf-8", "replace"))
    try:
        read = load_program(path, TASK)
    except ConfigError as error:
        told = error.message
    else:
        told = name if read.instructions else ""

    assert name in told
