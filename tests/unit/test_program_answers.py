"""What strong models give: requirements, programs and parts, whole or refused with their faults."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac.messages import Finish, Reply, ToolCall
from lmac.processor.native import NativeProtocol
from lmac.program import Instruction, Program, ProgramFault, PublicName, Requirement
from lmac.program_answers import PARTS, PROGRAM, REQUIREMENTS, GivenProgram, Question, schema_of

REQUIRED = (Requirement(1, "It doubles."),)
STEP = {
    "text": "Write it.",
    "files": [{"path": "a.py", "public_names": ["double", "double"]}, "test_a.py"],
    "requirements": [1, 1],
    "depends_on": [],
    "check": "test_a.py",
}
WRITTEN = Instruction(
    "Write it.", ("a.py", "test_a.py"), (1,), (PublicName("a.py", "double"),), check="test_a.py", number=1
)


def called(name: str, arguments: str) -> Reply:
    return Reply("", Finish.TOOL_CALLS, calls=(ToolCall("c1", name, arguments),))


def said(text: str) -> Reply:
    return Reply(text, Finish.STOP)


def test_a_whole_program_by_a_call_or_as_json() -> None:
    arguments = json.dumps({"instructions": [STEP]})
    by_call = PROGRAM.read_call(called("program", arguments), NativeProtocol())
    by_text = PROGRAM.read_text(f"```json\n{arguments}\n```")

    assert by_call.program(REQUIRED, 3) == by_text.program(REQUIRED, 3) == Program((WRITTEN,), REQUIRED)


def test_json_in_words_in_place_of_a_call_is_taken() -> None:
    reply = said(f"Here it is:\n```json\n{json.dumps({'requirements': ['It doubles.']})}\n```")

    assert REQUIREMENTS.read_call(reply, NativeProtocol()).items() == REQUIRED


def test_requirements_are_numbered_in_order_and_one_that_comes_twice_is_one() -> None:
    given_twice = REQUIREMENTS.read_text(json.dumps({"requirements": ["It  doubles.", " ", "It doubles."]}))

    assert given_twice.items() == REQUIRED


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (said("I shall think."), "`program` was not called"),
        (called("requirements", "{}"), "`program` was not called"),
        (called("program", "{"), "no JSON"),
        (called("program", "{}"), "instructions: Field required"),
        (called("program", '{"instructions": []}'), "instructions"),
        (called("program", '{"instructions": [{"text": ""}]}'), "instructions.0.text"),
        (called("program", '{"instructions": [{"text": "x", "depends_on": [0]}]}'), "depends_on.0"),
        (called("program", json.dumps({"instructions": [{"text": "x", "extra" * 99: 1}]})), "instructions.0"),
        (said('{"instructions": 3}'), "instructions"),
        (said("{" * 100_000 + "}"), "no JSON"),
        (said('{"instructions": [' + "9" * 10_000 + "]}"), "no JSON"),
    ],
)
def test_what_is_no_program_names_its_fault_shortly(reply: Reply, told: str) -> None:
    with pytest.raises(ProgramFault) as fault:
        PROGRAM.read_call(reply, NativeProtocol())

    assert told in str(fault.value)
    assert len(str(fault.value)) < 1000


@pytest.mark.parametrize("path", ["../a.py", "/a.py", "a\\b", ".git/config"])
def test_a_path_that_the_store_would_refuse_is_a_fault_of_the_program(path: str) -> None:
    given_program = GivenProgram.model_validate({"instructions": [{**STEP, "files": [path]}]})

    with pytest.raises(ProgramFault, match="no path of the store"):
        given_program.program(REQUIRED, 3)


def test_more_instructions_than_allowed_are_counted() -> None:
    given_program = GivenProgram.model_validate({"instructions": [STEP] * 4})

    with pytest.raises(ProgramFault, match=r"4 instructions.*at most 3"):
        given_program.program(REQUIRED, 3)


@pytest.mark.parametrize("question", [REQUIREMENTS, PROGRAM, PARTS], ids=lambda question: question.name)
def test_schemas_are_flat_and_closed_and_require_every_property(question: Question[Any]) -> None:
    schema = schema_of(question.answer)
    assert "$" not in json.dumps(schema)

    def demand_closed(part: Any) -> None:
        for value in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            demand_closed(value)
        if isinstance(part, dict) and part.get("type") == "object":
            assert part["additionalProperties"] is False
            assert set(part["required"]) == set(part["properties"])

    demand_closed(schema)


KEYS = st.sampled_from(["instructions", "requirements", "parts", "text", "files", "path", "check"])
VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
)


@given(VALUES)
def test_no_answer_breaks_a_reader(value: object) -> None:
    for question in (REQUIREMENTS, PROGRAM, PARTS):
        for reply in (said(json.dumps(value)), called(question.name, json.dumps(value))):
            with suppress(ProgramFault):
                question.read_call(reply, NativeProtocol())
