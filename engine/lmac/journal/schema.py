"""The published schema of a journal's lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SCHEMA_NAME = "journal.schema.json"


def journal_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of one line of `journal.jsonl`, for this version of the journal."""
    schema: dict[str, Any] = json.loads(Path(__file__).with_name(SCHEMA_NAME).read_text("utf-8"))
    return schema
