"""Prompt texts: one YAML a domain, one a language, and a user's own over them; filled in strictly."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from string import Template

import yaml

from lmac.errors import ConfigError
from lmac.yaml_source import YamlSource, parse_yaml

PLACES = {
    "architect": frozenset[str](),
    "program_numbered": frozenset({"task", "most_instructions"}),
    "program_json": frozenset({"task", "most_instructions"}),
    "requirements": frozenset({"task", "most_requirements"}),
    "requirements_fault": frozenset({"fault"}),
    "program_tool": frozenset({"task", "requirements", "most_instructions"}),
    "program_schema": frozenset({"task", "requirements", "most_instructions"}),
    "program_fault": frozenset({"fault", "most_instructions"}),
    "program_gaps": frozenset({"gaps", "most_instructions"}),
    "split": frozenset({"task", "program", "number", "instruction", "progress", "most_parts"}),
    "split_numbered": frozenset({"task", "program", "number", "instruction", "progress", "most_parts"}),
    "programmer": frozenset({"manual"}),
    "opening": frozenset({"task", "program", "summary", "files", "number", "instruction", "how_to_write"}),
    "plan": frozenset[str](),
    "red": frozenset({"report", "how_to_change"}),
    "green": frozenset({"report", "number"}),
    "again": frozenset({"report", "how_to_write"}),
    "still_red": frozenset({"report", "how_to_change"}),
    "go_on": frozenset({"number"}),
    "finish_refused": frozenset({"number", "reason"}),
    "missing_files": frozenset({"files"}),
    "completed_summary": frozenset({"number"}),
    "progress_summary": frozenset({"number"}),
    "single": frozenset({"task"}),
}
"""Every text, and the names that it must use."""

LANGUAGE_PARTS = frozenset({"language", "checked_by", "tests", "tests_rule", "installed", "test_file_rule"})
"""Names that the texts of a codebase may use beside: what the YAML of a language says."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """The texts of one run."""

    texts: Mapping[str, str]
    parts: Mapping[str, str] = field(default_factory=dict)
    """Of the language; filled in beside the values."""
    digest: str = ""
    """The version of the texts: sha256 of `as_yaml`."""

    def render(self, text: str, **values: str | int) -> str:
        """Fill in one text; values are taken as they are and never filled in again.

        Raises:
            KeyError: a value is missing or not asked for, which is a fault of the caller.
        """
        if values.keys() != PLACES[text]:
            raise KeyError(f"prompt {text!r} takes {sorted(PLACES[text])}, was given {sorted(values)}")
        return Template(self.texts[text]).substitute({**self.parts, **values})

    def without_part(self, name: str) -> Prompts:
        """The same texts where this part of the language says nothing; it need not have it."""
        return replace(self, parts={**self.parts, name: ""})

    def as_yaml(self) -> str:
        """All texts and parts, in one form for the same ones."""
        whole = {"texts": dict(self.texts), "language": dict(self.parts)}
        return yaml.safe_dump(whole, allow_unicode=True, width=110)


def read_prompts(kept: str) -> Prompts:
    """The prompts that `Prompts.as_yaml` wrote."""
    whole = yaml.safe_load(kept)
    return Prompts(whole["texts"], whole["language"], hashlib.sha256(kept.encode()).hexdigest())


@cache
def shipped_prompts(domain: str = "codebase", language: str = "python") -> Prompts:
    """The prompts of a domain that comes with LMAC, for a language that it has the texts of.

    Raises:
        ConfigError: there is no such domain or language.
    """
    parts = shipped_language(language) if domain == "codebase" else {}
    if parts is None:
        raise ConfigError(
            f"there are no texts for the language {language!r}",
            "name a check set of a language that LMAC has texts for, or give the set `language_texts`",
        )
    return make_prompts(domain, parts)


def shipped_language(language: str) -> Mapping[str, str] | None:
    """What the texts of a codebase say of a language; None of one that LMAC has no texts of."""
    source = _shipped(f"languages/{language}.yaml")
    return None if source is None else checked_parts(source.content, source.name)


def checked_parts(parts: Mapping[str, object], where: str) -> Mapping[str, str]:
    """The parts of a language, when they are whole.

    Raises:
        ConfigError: one is missing, unknown or no text.
    """
    if wrong := sorted(map(str, parts.keys() ^ LANGUAGE_PARTS)):
        known = ", ".join(sorted(LANGUAGE_PARTS))
        raise ConfigError(f"{where}: missing or unknown: {', '.join(wrong)}", f"give all of {known}")
    if wrong := sorted(str(name) for name, part in parts.items() if not isinstance(part, str)):
        raise ConfigError(f"{where}: `{wrong[0]}` is no text", "put it in quotes")
    return {str(name): str(part) for name, part in parts.items()}


def make_prompts(domain: str, parts: Mapping[str, str], own: YamlSource | None = None) -> Prompts:
    """The texts of a domain, those of a user's file in place of them.

    Args:
        parts: Of the language; empty where the domain knows none.

    Raises:
        ConfigError: a text is missing, unknown, no text, or uses other names than `PLACES` says.
    """
    shipped = _shipped(f"{domain}.yaml")
    if shipped is None and own is None:
        raise ConfigError(f"there are no prompts for domain {domain!r}", "name a file of yours as `prompts`")
    sources = [source for source in (shipped, own) if source is not None]
    texts: dict[str, str] = {}
    for source in sources:
        texts |= _checked(source, frozenset(parts))
    if missing := sorted(PLACES.keys() - texts.keys()):
        raise ConfigError(
            f"{sources[-1].name}: these prompts are missing: {', '.join(missing)}",
            "the domain has none of its own: give all of those that prompts/codebase.yaml gives",
        )
    prompts = Prompts(texts, parts)
    return replace(prompts, digest=hashlib.sha256(prompts.as_yaml().encode()).hexdigest())


def _checked(source: YamlSource, parts: frozenset[str]) -> dict[str, str]:
    if unknown := sorted(map(str, source.content.keys() - PLACES.keys())):
        raise ConfigError(f"{source.place((unknown[0],))}: there is no such prompt", f"those are {_KNOWN}")
    for name, body in source.content.items():
        where = f"{source.place((name,))}: prompt {name!r}"
        if not isinstance(body, str):
            raise ConfigError(f"{where} is no text", "put it in quotes, or below `|-`")
        if not Template(body).is_valid():
            raise ConfigError(
                f"{where} holds a $ that names nothing; write $$", "write $$ for a dollar sign of the text"
            )
        used = set(Template(body).get_identifiers())
        if missing := sorted(PLACES[name] - used):
            raise ConfigError(
                f"{where} must use ${', $'.join(missing)}", "put them into the text where the values belong"
            )
        if unknown := sorted(used - PLACES[name] - parts):
            allowed = sorted(PLACES[name] | parts)
            raise ConfigError(f"{where} uses ${unknown[0]}, which nobody fills in", _may_use(allowed))
    return dict(source.content)


def _may_use(allowed: list[str]) -> str:
    return f"it may use ${', $'.join(allowed)}" if allowed else "it may use no $name"


def _shipped(path: str) -> YamlSource | None:
    folder = resources.files(__name__)
    file = folder.joinpath(*path.split("/"))
    return parse_yaml(file.read_text("utf-8"), path) if file.is_file() else None


_KNOWN = ", ".join(sorted(PLACES))
