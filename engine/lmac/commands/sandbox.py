"""`lmac sandbox policy`: every option that containers of a run are made with, in one place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from lmac.commands.terminal import terminal_json
from lmac.inputs import load_checks, load_config
from lmac.printable import printable
from lmac_sandbox import PolicySummary, summarize_policy

_COLUMN = 17


def show_policy(config_path: Path | None, overrides: Iterable[str], as_json: bool) -> int:
    """Print the policy of a config; nothing is started and no engine asked."""
    config = load_config(config_path, overrides)
    policy = summarize_policy(config.box, config.store, config.isolation, load_checks(config).image)
    click.echo(
        terminal_json(_as_json(policy)) if as_json else printable(_as_text(policy), keep_newlines=True)
    )
    return 0


def _as_json(policy: PolicySummary) -> dict[str, Any]:
    return asdict(policy) | {"seccomp_profile": policy.profile()}


def _as_text(policy: PolicySummary) -> str:
    sections = {
        "box: runs generated code; its runner has the capabilities, its jobs have none": policy.box,
        "keeper: the only writer of the store": policy.keeper,
        "volume of the store": policy.volume
        or {"options": "none: a plain local volume, capped by the keeper"},
        "system calls (seccomp), of boxes and keeper": _seccomp(policy),
    }
    return "\n\n".join("\n".join((title, *_lines(content))) for title, content in sections.items())


def _seccomp(policy: PolicySummary) -> dict[str, Any]:
    summary = policy.seccomp
    return {
        "sha256": summary.digest,
        "all others": summary.default_action,
        "architectures": list(summary.architectures),
        "allowed": f"{summary.allowed} calls, of which by their arguments: {', '.join(summary.conditional)}",
        "sockets": list(summary.families),
        "denied, among all others": list(summary.denied),
        "under gVisor": "runsc ignores this profile; calls reach gVisor's own kernel and not the host's",
    }


def _lines(content: Mapping[str, Any], indent: str = "  ") -> Iterator[str]:
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            yield f"{indent}{key}"
            yield from _lines(value, indent + "  ")
        elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            for item in value:
                words = ", ".join(f"{name} {_word(inner)}" for name, inner in item.items())
                yield f"{indent}{key:<{_COLUMN}} {words}"
        else:
            yield f"{indent}{key:<{_COLUMN}} {_word(value)}"


def _word(value: Any) -> str:
    match value:
        case None:
            return "the engine's default"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(str, value)) or "none"
        case Mapping():
            return ", ".join(f"{key}={_word(inner)}" for key, inner in value.items()) or "none"
        case _:
            return str(value) if value != "" else "none"
