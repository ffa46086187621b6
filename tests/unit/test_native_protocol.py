"""Native calls: whatever a server sends, every call is answered exactly once."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac.messages import Action, Finish, Observation, Reply, Role, ToolCall
from lmac.processor.actions import Parsed
from lmac.processor.native import NO_CALL, NativeProtocol
from lmac.tools import instruction_toolbox

FORMS = instruction_toolbox().forms()
PROTOCOL = NativeProtocol()


def parsed(*arguments: str, finish: Finish = Finish.TOOL_CALLS) -> Parsed:
    calls = tuple(ToolCall(f"c{index}", "write", text) for index, text in enumerate(arguments))
    return PROTOCOL.parse(Reply("", finish, calls=calls), FORMS)


def test_calls_become_actions_in_order() -> None:
    assert parsed('{"path": "a", "content": "b"}', "{}") == Parsed(
        (Action("write", {"path": "a", "content": "b"}, "c0"), Action("write", {}, "c1"))
    )


def test_a_call_without_arguments_has_none() -> None:
    assert parsed("").actions == (Action("write", {}, "c0"),)


@pytest.mark.parametrize(
    "arguments", ["{", "{'a': 1}", "nul", "[" * 100_000, "\ud800", "1" * 5000, '{"a": 1} x']
)
def test_arguments_that_are_no_json_are_a_fault_of_that_call(arguments: str) -> None:
    result = parsed("{}", arguments)

    assert result.actions == (Action("write", {}, "c0"),)
    assert [(fault.ok, fault.call_id) for fault in result.faults] == [(False, "c1")]
    assert "no JSON" in result.faults[0].text


@pytest.mark.parametrize("arguments", ["[]", '"text"', "3", "null", "true"])
def test_arguments_that_are_no_object_are_a_fault_of_that_call(arguments: str) -> None:
    fault = parsed(arguments).faults[0]

    assert "no JSON object" in fault.text
    assert fault.call_id == "c0"


@pytest.mark.parametrize("levels", [17, 500, 900, 980, 990])
def test_arguments_that_are_nested_too_deeply_are_a_fault_of_that_call(levels: int) -> None:
    result = parsed('{"a":' * levels + "1" + "}" * levels)

    assert result.actions == ()
    assert [(fault.ok, fault.call_id) for fault in result.faults] == [(False, "c0")]


def test_a_program_is_not_nested_too_deeply() -> None:
    assert parsed('{"instructions": [{"text": "x", "files": ["a.py"]}]}').actions


def test_a_reply_without_a_call_is_told_so() -> None:
    assert parsed() == Parsed((), (Observation(NO_CALL, ok=False),))


def test_a_call_that_was_cut_is_told_to_write_less() -> None:
    fault = parsed('{"path": "a.py", "content": "x = ', finish=Finish.LENGTH).faults[0]

    assert "cut at its length limit" in fault.text


ARGUMENTS = st.sampled_from(["{}", "", "{", "[]", '{"path": "a"}']) | st.text(max_size=20)


@given(st.lists(ARGUMENTS, max_size=6), st.sampled_from(Finish), st.text(max_size=5))
def test_every_call_is_answered_exactly_once(arguments: list[str], finish: Finish, notice: str) -> None:
    result = parsed(*arguments, finish=finish)
    carried_out = [Observation("done", ok=True, call_id=action.call_id) for action in result.actions]
    heard = PROTOCOL.heard([*result.faults, *carried_out], notice)
    answers = Counter(message.call_id for message in heard if message.role is Role.TOOL)

    assert answers == Counter(f"c{index}" for index in range(len(arguments)))
    # A server wants the answers right behind the calls.
    roles = [message.role for message in heard]
    assert roles == sorted(roles, key=[Role.TOOL, Role.USER].index)
    assert all(message.text for message in heard if message.role is Role.USER)


def test_the_reply_enters_the_window_with_its_calls() -> None:
    call = ToolCall("c0", "list", "{}")
    message = PROTOCOL.spoken(Reply("thinking", Finish.TOOL_CALLS, calls=(call,)))

    assert (message.role, message.text, message.calls) == (Role.ASSISTANT, "thinking", (call,))


def test_the_server_is_told_of_every_tool_with_a_schema_of_its_arguments() -> None:
    specs = {spec.name: spec.parameters for spec in PROTOCOL.specs(FORMS)}

    assert set(specs) == {"write", "read", "search", "list", "delete", "run", "tests", "done"}
    assert all(schema["type"] == "object" for schema in specs.values())
    assert specs["write"]["required"] == ["path", "content"]


def test_a_lone_surrogate_in_a_call_is_replaced_before_it_goes_anywhere() -> None:
    arguments = '{"path": "\\ud800a", "content": "x"}'
    reply = Reply("", Finish.TOOL_CALLS, calls=(ToolCall("c1", "write", arguments),))

    assert NativeProtocol().parse(reply, ()).actions[0].arguments == {"path": "?a", "content": "x"}


def test_for_servers_that_want_it_so_the_last_answer_carries_what_the_user_says() -> None:
    protocol = NativeProtocol(user_after_tools=False)
    answers = [Observation("one", ok=True, call_id="c0"), Observation("two", ok=True, call_id="c1")]

    heard = protocol.heard(answers, "The checks pass.")
    assert [(message.role, message.text) for message in heard] == [
        (Role.TOOL, "one"),
        (Role.TOOL, "two\n\nThe checks pass."),
    ]
    assert [message.role for message in protocol.heard([], "Go on.")] == [Role.USER]
