"""What a probe finds of servers with the habits of those in use, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lmac.errors import ModelGarbled, ModelSilent, ModelUnreachable
from lmac.models.findings import Finding, Probed, Trait, Verdict
from lmac.models.probe_calls import MOST_CALLS, ModelAddress
from lmac.models.probed_profile import fitting_profile, profile_yaml
from lmac.models.probing import probe
from lmac.models.profile import ModelProfile, ReplyLimitParameter
from lmac.processor.actions import ProtocolName
from lmac.yaml_source import parse_yaml, validated
from probed_server import ALL, NOTHING, Does, Habits, ProbedServer, Seeds

HONOURED, IGNORED, REFUSED, UNCLEAR = Verdict


def profile_of(server: dict[str, Any] | None = None, **changes: Any) -> ModelProfile:
    plain = {"name": "mine", "protocol": "fenced", "server": {"model": "m", **(server or {})}}
    return ModelProfile.model_validate(plain | changes)


def probed(
    habits: Habits, profile: ModelProfile | None = None, call_seconds: float = 30.0, raw: bytes | None = None
) -> tuple[Probed, ProbedServer]:
    with ProbedServer(habits, raw) as server:
        address = ModelAddress(server.base_url, "m", call_seconds=call_seconds)
        return probe(profile or profile_of(), address), server


def found(of: Probed, trait: Trait) -> Finding:
    (finding,) = (one for one in of.findings if one.trait is trait)
    return finding


def verdicts(of: Probed) -> dict[Trait, Verdict]:
    return {finding.trait: finding.verdict for finding in of.findings}


def test_a_server_that_honours_all_is_found_to() -> None:
    result, server = probed(ALL)

    assert verdicts(result) == dict.fromkeys(Trait, HONOURED)
    assert result.stopped is None
    assert result.contradictions == ()
    assert result.context_tokens == 4096
    assert result.calls == len(server.requests) == 9


def test_the_fields_that_are_asked_for_are_sent_as_servers_know_them() -> None:
    _, server = probed(ALL)

    (named,) = (body for body in server.requests if "tool_choice" in body)
    (parallel,) = (body for body in server.requests if "parallel_tool_calls" in body)
    (stopped,) = (body for body in server.requests if "stop" in body)
    assert named["tool_choice"] == {"type": "function", "function": {"name": "ring_bell"}}
    assert {tool["function"]["name"] for tool in named["tools"]} == {"note", "ring_bell"}
    assert parallel["parallel_tool_calls"] is True
    assert stopped["stop"] == [" ", "\n", ",", "2"]
    assert "tool_choice" not in parallel


def test_a_server_that_honours_nothing_is_found_to_and_says_what_that_means() -> None:
    result, server = probed(NOTHING)

    assert set(verdicts(result).values()) == {HONOURED, IGNORED, UNCLEAR}
    assert [trait for trait, verdict in verdicts(result).items() if verdict is HONOURED] == [
        Trait.TEMPERATURE
    ]
    assert found(result, Trait.CONTEXT).means == "write `context_tokens` yourself"
    assert "estimated" in found(result, Trait.USAGE).means
    assert len(server.requests) <= MOST_CALLS


@pytest.mark.parametrize(
    ("seeds", "verdict", "said"),
    [
        (Seeds.HONOURED, HONOURED, "the same text, another a different one"),
        (Seeds.COLD_FIRST, HONOURED, "once the prompt was in the server's cache"),
        (Seeds.BY_CHANCE, IGNORED, "the same seed gave different texts"),
        (Seeds.ALL_THE_SAME, IGNORED, "another seed gave the same text"),
        (Seeds.REFUSED, REFUSED, "'seed'"),
    ],
)
def test_a_seed_is_honoured_only_if_it_repeats_and_matters(seeds: Seeds, verdict: Verdict, said: str) -> None:
    result, server = probed(replace(ALL, seeds=seeds), profile_of(seed=4))

    assert found(result, Trait.SEED).verdict is verdict
    assert said in found(result, Trait.SEED).said
    assert found(result, Trait.SEED).contradicts is (verdict is not HONOURED)
    assert fitting_profile(profile_of(seed=4), result, "x").seed == (4 if verdict is HONOURED else None)
    assert all(body["temperature"] == 1.0 for body in server.requests if "seed" in body)


def test_a_server_without_tools_is_not_asked_for_more_of_them() -> None:
    result, server = probed(replace(ALL, tools=Does.REFUSES), profile_of(protocol="native"))

    assert found(result, Trait.TOOL_CALLS).verdict is REFUSED
    assert found(result, Trait.TOOL_CALLS).contradicts
    assert found(result, Trait.NAMED_TOOL).said == "not asked: the server takes no tools"
    assert found(result, Trait.PARALLEL_CALLS).said == "not asked: the server takes no tools"
    assert len([body for body in server.requests if "tools" in body]) == 1


@pytest.mark.parametrize("does", [Does.IGNORES, Does.REFUSES])
@pytest.mark.parametrize(
    ("spoilt", "trait"),
    [
        (lambda does: replace(ALL, stop=does), Trait.STOP),
        (lambda does: replace(ALL, schema=does), Trait.JSON_SCHEMA),
        (lambda does: replace(ALL, named=does), Trait.NAMED_TOOL),
        (lambda does: replace(ALL, parallel=does), Trait.PARALLEL_CALLS),
    ],
)
def test_one_field_that_is_not_honoured_spoils_no_other_finding(
    spoilt: Callable[[Does], Habits], trait: Trait, does: Does
) -> None:
    result, _ = probed(spoilt(does))

    others = {one: verdict for one, verdict in verdicts(result).items() if one is not trait}
    assert found(result, trait).verdict is (IGNORED if does is Does.IGNORES else REFUSED)
    assert set(others.values()) == {HONOURED}


def test_the_newer_name_of_the_reply_limit_is_found_after_a_refusal() -> None:
    result, server = probed(replace(ALL, limit_names=("max_completion_tokens",)))

    assert result.manner is not None
    assert result.manner.parameter is ReplyLimitParameter.MAX_COMPLETION_TOKENS
    assert found(result, Trait.REPLY_LIMIT).contradicts
    assert ["max_tokens" in body for body in server.requests].count(True) == 1


def test_a_name_that_is_taken_and_not_kept_gives_way_to_the_other() -> None:
    result, _ = probed(replace(ALL, kept_limits=("max_completion_tokens",)))

    assert result.manner is not None
    assert result.manner.parameter is ReplyLimitParameter.MAX_COMPLETION_TOKENS


def test_a_model_that_takes_one_temperature_only_gets_it_in_its_profile() -> None:
    profile = profile_of(temperature=0.3, candidates=3)
    result, _ = probed(replace(ALL, temperatures=(1.0,)), profile)

    assert found(result, Trait.TEMPERATURE).verdict is REFUSED
    assert found(result, Trait.TEMPERATURE).contradicts
    fitting = fitting_profile(profile, result, "x")
    assert (fitting.temperature, fitting.candidate_temperature) == (1.0, 1.0)


def test_a_reasoning_model_of_today_is_met_in_few_calls() -> None:
    habits = replace(
        ALL, limit_names=("max_completion_tokens",), temperatures=(1.0,), stop=Does.REFUSES, thinks=True
    )
    result, server = probed(habits, profile_of(temperature=0.0))

    fitting = fitting_profile(profile_of(), result, "x")
    assert "after reasoning" in found(result, Trait.REPLY_LIMIT).said
    assert found(result, Trait.TOOL_CALLS).verdict is HONOURED
    assert fitting.summary_tokens == 2000
    assert fitting.server is not None
    assert fitting.server.reply_limit_parameter is ReplyLimitParameter.MAX_COMPLETION_TOKENS
    assert len(server.requests) <= MOST_CALLS


def test_a_server_that_hangs_ends_the_probe_with_its_time() -> None:
    result, server = probed(replace(ALL, hangs=lambda body: True), call_seconds=0.5)

    assert isinstance(result.stopped, ModelSilent)
    assert "no answer within 0.5 s" in result.stopped.message
    assert result.findings == ()
    assert len(server.requests) == 1


def test_a_field_that_makes_a_server_hang_is_one_finding_a_second_one_ends_the_probe() -> None:
    once, _ = probed(replace(ALL, hangs=lambda body: "response_format" in body), call_seconds=3)
    twice, _ = probed(replace(ALL, hangs=lambda body: "tools" in body), call_seconds=3)

    assert found(once, Trait.JSON_SCHEMA).verdict is UNCLEAR
    assert found(once, Trait.CONTEXT).verdict is HONOURED
    assert isinstance(twice.stopped, ModelSilent)


def test_nobody_at_the_address_is_said_at_once() -> None:
    result = probe(profile_of(), ModelAddress("http://127.0.0.1:9/v1", "m"))

    assert isinstance(result.stopped, ModelUnreachable)


def test_a_context_that_is_told_only_in_a_refusal_is_found() -> None:
    result, _ = probed(replace(ALL, tells_context=None, checks_context=8192))

    assert result.context_tokens == 8192
    assert found(result, Trait.CONTEXT).verdict is HONOURED


def test_nobody_asks_for_too_much_where_nothing_would_stop_the_reply() -> None:
    _, server = probed(replace(ALL, tells_context=None, stop=Does.IGNORES))

    assert max(body.get("max_tokens", 0) for body in server.requests) < 200


def test_a_profile_that_claims_a_longer_context_than_its_server_has_contradicts_it() -> None:
    profile = profile_of(context_tokens=128_000, reply_tokens=8192)
    result, _ = probed(ALL, profile)

    fitting = fitting_profile(profile, result, "x")
    assert found(result, Trait.CONTEXT).contradicts
    assert (fitting.context_tokens, fitting.reply_tokens) == (4096, None)


def test_a_shorter_context_of_the_users_choice_stays() -> None:
    profile = profile_of(context_tokens=2048, reply_tokens=256)
    result, _ = probed(ALL, profile)

    assert not found(result, Trait.CONTEXT).contradicts
    assert fitting_profile(profile, result, "x").context_tokens == 2048


@pytest.mark.parametrize(
    ("habits", "ladder"),
    [
        (ALL, ("native", "json", "fenced")),
        (replace(ALL, schema=Does.REFUSES), ("native", "fenced")),
        (replace(ALL, tools=Does.IGNORES), ("fenced", "json")),
        (NOTHING, ("fenced",)),
    ],
)
def test_the_ladder_holds_what_was_seen_and_the_file_loads_as_it_is_meant(
    habits: Habits, ladder: tuple[str, ...]
) -> None:
    profile = profile_of(
        protocol="native",
        program_form="tool",
        server_options={"top_p": 0.9},
        prices={"prompt": 1.0, "reply": 2.0},
        edits=["whole"],
    )
    result, server = probed(habits, profile)

    fitting = fitting_profile(profile, result, "found")
    loaded = validated(ModelProfile, parse_yaml(profile_yaml(fitting, result), "found.yaml"))
    assert loaded == fitting
    assert loaded.protocols == tuple(map(ProtocolName, ladder))
    assert (loaded.name, loaded.prices, loaded.edits) == ("found", profile.prices, profile.edits)
    assert all(body["top_p"] == 0.9 for body in server.requests)


ODD_CALL = {"id": "1", "type": "function", "function": {"name": "note", "arguments": "[" * 3000}}
HUGE = {"prompt_tokens": 10**40, "completion_tokens": -5, "prompt_tokens_details": {"cached_tokens": 10**40}}


@pytest.mark.parametrize(
    "message",
    [
        {"content": "\x1b[2J\u202e" + "word " * 200_000},
        {"content": "[" * 3000},
        {"content": '{"colour": ["red"], "loud": {}}'},
        {"content": "", "tool_calls": [ODD_CALL] * 50},
        {"content": ""},
    ],
)
def test_what_a_hostile_server_answers_is_data_and_stays_short(message: dict[str, Any]) -> None:
    raw = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}], "usage": HUGE}).encode()
    result, server = probed(ALL, raw=raw)

    assert not result.honours(Trait.JSON_SCHEMA)
    assert not result.honours(Trait.TOOL_CALLS)
    assert all(finding.said.isprintable() and len(finding.said) < 500 for finding in result.findings)
    assert result.usage.reply_tokens == 0
    assert result.usage.prompt_tokens <= MOST_CALLS * 10**9
    assert result.calls == len(server.requests) <= MOST_CALLS


def test_answers_that_are_none_end_the_probe_with_their_reason() -> None:
    result, server = probed(ALL, raw=b"<html>hello</html>")

    assert isinstance(result.stopped, ModelGarbled)
    assert len(server.requests) <= 4
