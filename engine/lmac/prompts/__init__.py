"""Prompt texts: one YAML a domain, filled in strictly."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from string import Template

import yaml

from lmac.errors import ConfigError

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
    "red": frozenset({"report", "how_to_write"}),
    "green": frozenset({"report", "number"}),
    "again": frozenset({"report", "how_to_write"}),
    "still_red": frozenset({"report", "how_to_write"}),
    "go_on": frozenset({"number"}),
    "finish_refused": frozenset({"number", "reason"}),
    "missing_files": frozenset({"files"}),
    "completed_summary": frozenset({"number"}),
    "progress_summary": frozenset({"number"}),
    "single": frozenset({"task"}),
}
"""Every text, and the names that it may and must use."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """The texts of one domain."""

    texts: dict[str, str]
    digest: str
    """sha256 of the YAML that they came from."""

    def render(self, text: str, **values: str | int) -> str:
        """Fill in one text; values are taken as they are and never filled in again.

        Raises:
            KeyError: a value is missing or not asked for, which is a fault of the caller.
        """
        if values.keys() != PLACES[text]:
            raise KeyError(f"prompt {text!r} takes {sorted(PLACES[text])}, was given {sorted(values)}")
        return Template(self.texts[text]).substitute(values)


def shipped_prompts(domain: str) -> Prompts:
    """The prompts of a domain that comes with LMAC.

    Raises:
        ConfigError: there is no such domain.
    """
    file = resources.files(__name__) / f"{domain}.yaml"
    if not file.is_file():
        raise ConfigError(f"there are no prompts for domain {domain!r}")
    return parse_prompts(file.read_text("utf-8"), f"{domain}.yaml")


def parse_prompts(text: str, source_name: str) -> Prompts:
    """Read and check one YAML of prompts.

    Raises:
        ConfigError: a text is missing, unknown, or uses other names than `PLACES` says.
    """
    try:
        texts = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source_name}: this is no YAML: {error}") from error
    if not isinstance(texts, dict) or texts.keys() != PLACES.keys():
        given = set(texts) if isinstance(texts, dict) else set()
        wrong = sorted(map(str, given ^ PLACES.keys()))
        raise ConfigError(f"{source_name}: these prompts are missing or unknown: {', '.join(wrong)}")
    for name, names in PLACES.items():
        if not Template(str(texts[name])).is_valid():
            raise ConfigError(f"{source_name}: prompt {name!r} holds a $ that names nothing; write $$")
        used = set(Template(str(texts[name])).get_identifiers())
        if used != names:
            raise ConfigError(f"{source_name}: prompt {name!r} uses {sorted(used)}, must use {sorted(names)}")
    return Prompts(
        {name: str(body) for name, body in texts.items()}, hashlib.sha256(text.encode()).hexdigest()
    )
