"""A suite's conditions, each resolved to the run config, prompts and model profile that it stands for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from string import Template
from typing import Any

from lmac.bench.catalogue import Condition, SuiteDefinition
from lmac.config import RunConfig
from lmac.errors import ConfigError
from lmac.inputs import load_profile, read_text
from lmac.models.profile import ModelProfile
from lmac.prompts import PLACES, Prompts, shipped_prompts
from lmac.yaml_source import YamlSource, parse_yaml, validated

_NOT_MEASURED = ("model", "runs_folder", "engine_url", "ready_boxes")
"""Keys that say where a run works, or what the profile says better than its path."""

_SPEED_ONLY = {"embedded": {"threads", "prompt_cache_bytes"}}
"""Of a profile: a bench may go on with fewer threads while the machine has other work."""


@dataclass(frozen=True, slots=True)
class ResolvedCondition:
    """What every item of one condition has in common."""

    name: str
    condition: Condition
    config: RunConfig
    profile: ModelProfile
    prompts: Prompts
    digest: str
    """Of what the user and the suite said, so that a later version's further defaults leave it as it is."""


def resolve_condition(
    name: str, definition: SuiteDefinition, given: Mapping[str, Any], tokens: int | None, prompts: Prompts
) -> ResolvedCondition:
    """One condition of a suite.

    Args:
        given: Keys of a run config from the user; over the suite's, below the condition's.
        tokens: In place of the suite's budget.

    Raises:
        ConfigError: there is no such condition, or its keys are none of a run config.
    """
    condition = definition.conditions.get(name)
    if condition is None:
        known = ", ".join(definition.conditions)
        raise ConfigError(f"condition {name!r}: the suite has none of that name", f"it has {known}")
    keys = overlaid(overlaid(definition.run, given), condition.run)
    if condition.equal_tokens:
        keys = overlaid(keys, {"budget": {"tokens": tokens or definition.tokens}})
    config = validated(RunConfig, YamlSource(f"condition {name}", dict(keys), {}))
    profile = load_profile(config.model).model_copy(update={"temperature": definition.temperature})
    parts = {
        "keys": {key: value for key, value in keys.items() if key not in _NOT_MEASURED},
        "single_shot": condition.single_shot,
        "until_green": condition.until_green,
        "profile": profile.model_dump(mode="json", exclude_defaults=True, exclude=_SPEED_ONLY),
        "prompts": prompts.digest if definition.prompts else "",
    }
    digest = sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return ResolvedCondition(name, condition, config, profile, prompts, digest)


def overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings merged key by key; any other value of `above` stands."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if isinstance(under, Mapping) and isinstance(value, Mapping):
            merged[key] = overlaid(under, value)
        else:
            merged[key] = value
    return merged


def load_bench_prompts(path: Path) -> Prompts:
    """The domain's texts with those of a bench in their place, which need not use every name.

    The digest is of the bench's own texts.

    Raises:
        ConfigError: a text is unknown, or uses a name that nobody fills in.
    """
    text = read_text(path, "bench prompts")
    source = parse_yaml(text, str(path))
    for name, body in source.content.items():
        if name not in PLACES or not isinstance(body, str) or not Template(body).is_valid():
            raise ConfigError(f"{source.place((name,))}: there is no such prompt, or it is no template")
        if unknown := set(Template(body).get_identifiers()) - PLACES[name]:
            raise ConfigError(f"{source.place((name,))}: nobody fills in ${', $'.join(sorted(unknown))}")
    shipped = shipped_prompts("codebase")
    return replace(
        shipped, texts={**shipped.texts, **source.content}, digest=sha256(text.encode()).hexdigest()
    )
