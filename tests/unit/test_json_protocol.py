"""The JSON form: whole actions are read, cut ones are not, and its schema fits what it reads."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac.messages import Action, Finish, Reply
from lmac.processor.actions import EditForm, Parsed
from lmac.processor.json_protocol import JsonProtocol
from lmac.tools import instruction_toolbox

FORMS = instruction_toolbox(edits=tuple(EditForm)).forms()
PROTOCOL = JsonProtocol()
WRITE = {"tool": "write", "path": "a.py", "content": "x = 1\n"}
WHOLE = Action("write", {"path": "a.py", "content": "x = 1\n"})


def parsed(text: str, finish: Finish = Finish.STOP) -> Parsed:
    return PROTOCOL.parse(Reply(text, finish), FORMS)


def test_actions_come_in_order_and_nulls_are_left_out() -> None:
    text = json.dumps({"actions": [WRITE, {"tool": "read", "path": "a.py", "lines": None}, {"tool": "done"}]})

    assert parsed(text) == Parsed((WHOLE, Action("read", {"path": "a.py"}), Action("done")))


@pytest.mark.parametrize("cut", range(1, 60))
def test_of_a_cut_reply_the_actions_that_closed_are_read(cut: int) -> None:
    text = json.dumps({"actions": [WRITE, WRITE]})[:-cut]
    result = parsed(text, Finish.LENGTH)

    assert result.actions in ((WHOLE,), (WHOLE, WHOLE))
    assert "cut within" in result.faults[0].text


@pytest.mark.parametrize(
    "text", ["", "hello", "[]", "{}", '{"actions": []}', '{"actions": 5}', "[" * 100_000]
)
def test_a_reply_without_an_action_is_told_the_form(text: str) -> None:
    result = parsed(text)

    assert result.actions == ()
    assert '"actions"' in result.faults[0].text


def test_an_action_that_fits_no_tool_ends_the_reading() -> None:
    result = parsed(json.dumps({"actions": [WRITE, {"tool": "fly"}, {"tool": "done"}]}))

    assert result.actions == (WHOLE,)
    assert "Action 2" in result.faults[0].text


def test_the_schema_names_every_tool_and_resolves_within_itself() -> None:
    schema = PROTOCOL.schema(FORMS)
    assert schema is not None
    options = schema["properties"]["actions"]["items"]["anyOf"]

    assert [option["properties"]["tool"]["enum"] for option in options] == [
        [form.spec.name] for form in FORMS
    ]
    assert all(set(option["required"]) == set(option["properties"]) for option in options)
    text = json.dumps(schema)
    assert all(f'"{name}"' in text for name in schema["$defs"])
    assert all(reference in schema["$defs"] for reference in ["ReplacementArguments"])
    assert '"default"' not in text


@given(st.text(max_size=60), st.sampled_from(Finish))
def test_whatever_a_reply_holds_it_is_read(text: str, finish: Finish) -> None:
    result = parsed(text, finish)

    assert result.actions or result.faults
