"""The model profile that fits what a probe found, as an object and as a YAML file with its reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from lmac.models.findings import Probed, Trait
from lmac.models.profile import ModelProfile
from lmac.processor.actions import ProtocolName
from lmac.program import ProgramForm

REASONING_SUMMARY_TOKENS = 2000
"""Room for a summary after the reasoning that counts as reply."""
FIRST_SEED = 1

_WHERE = ("server_options", "prices", "server", "embedded")
"""Keys that stand last, as in the shipped profiles."""
_REASONS = {
    "protocols": "Forms of actions that this server honours, best first; the next is used when one fails.",
    "json_schema": "Whether it holds a reply to a JSON schema.",
    "context_tokens": "What it holds, prompt and reply together.",
    "temperature": "Taken by the server as it stands.",
    "seed": "The same seed gave the same text, another a different one.",
    "summary_tokens": "Reasoning counts as reply, so there must be room for both.",
}


def fitting_profile(profile: ModelProfile, probed: Probed, name: str) -> ModelProfile:
    """The profile with all that was found put right; what no probe can know stays as it is."""
    plain = profile.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    plain |= {
        "name": name,
        "protocols": _ladder(probed),
        "json_schema": probed.honours(Trait.JSON_SCHEMA),
    }
    plain.pop("seed", None)
    if probed.honours(Trait.SEED):
        plain["seed"] = profile.seed if profile.seed is not None else FIRST_SEED
    manner = probed.manner
    if manner is not None and manner.temperature == 1.0:
        plain |= {"temperature": 1.0, "candidate_temperature": 1.0}
    if manner is not None and manner.thinking_tokens:
        plain["summary_tokens"] = max(profile.summary_tokens, REASONING_SUMMARY_TOKENS)
    if manner is not None and profile.server is not None:
        plain["server"]["reply_limit_parameter"] = manner.parameter.value
    return ModelProfile.model_validate(_with_a_program_form(_with_sizes(plain, profile, probed)))


def profile_yaml(profile: ModelProfile, probed: Probed) -> str:
    """A file that `load_profile` reads, each found value with its reason."""
    told = f"{probed.calls} calls, {probed.usage.total_tokens} tokens"
    lines = [f"# Written by `lmac doctor --model` ({told}); change it as you like."]
    plain = profile.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    plain |= {"json_schema": profile.json_schema, "temperature": profile.temperature}
    for key, value in _ordered(plain):
        if key in _REASONS:
            lines.append(f"# {_REASONS[key]}")
        lines.append(_written(key, value))
    return "\n".join(lines) + "\n"


def _written(key: str, value: object) -> str:
    """One key; a list on its own line, as in the shipped profiles."""
    if isinstance(value, list):
        return f"{key}: {yaml.safe_dump(value, default_flow_style=True).rstrip()}"
    return yaml.safe_dump({key: value}, sort_keys=False).rstrip()


def _ladder(probed: Probed) -> list[str]:
    """Native calls first where the model makes them; fenced text is what every model can write.

    JSON stands behind fenced text where the model calls no tools: files within JSON are hard for such a one.
    """
    json_form = [ProtocolName.JSON.value] if probed.honours(Trait.JSON_SCHEMA) else []
    if probed.honours(Trait.TOOL_CALLS):
        return [ProtocolName.NATIVE.value, *json_form, ProtocolName.FENCED.value]
    return [ProtocolName.FENCED.value, *json_form]


def _with_sizes(plain: dict[str, Any], profile: ModelProfile, probed: Probed) -> dict[str, Any]:
    told = probed.context_tokens
    if told is not None:
        plain["context_tokens"] = min(profile.context_tokens or told, told)
    window, reply = plain.get("context_tokens"), profile.reply_tokens
    if reply is None or profile.embedded is not None:
        return plain
    longest = probed.reply_tokens or reply
    plain["reply_tokens"] = min(reply, longest)
    if (window is not None and plain["reply_tokens"] >= window) or plain["reply_tokens"] < 16:
        # The run asks the server, and takes what fits.
        del plain["reply_tokens"]
    return plain


def _with_a_program_form(plain: dict[str, Any]) -> dict[str, Any]:
    """Without one that the found traits cannot carry; the form is chosen by them then."""
    form = plain.get("program_form")
    tool_fails = form == ProgramForm.TOOL and plain["protocols"][0] != ProtocolName.NATIVE
    json_fails = form in (ProgramForm.SCHEMA, ProgramForm.JSON) and not plain["json_schema"]
    if tool_fails or json_fails:
        del plain["program_form"]
    return plain


def _ordered(plain: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(plain.items(), key=lambda pair: _WHERE.index(pair[0]) if pair[0] in _WHERE else -1)
