"""A validator for the part of JSON Schema that our own schemas use; any other keyword is a fault."""

from __future__ import annotations

import json
import re
from typing import Any

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}
SAID = frozenset({"$schema", "$id", "$defs", "title", "description"})
"""Keywords that ask for nothing."""


def faults(value: Any, schema: dict[str, Any], root: dict[str, Any], place: str = "") -> list[str]:
    """What of a value does not fit, each with its place.

    Args:
        root: The schema in which `$ref` looks.
    """
    found: list[str] = []
    for keyword, said in schema.items():
        match keyword:
            case "type":
                if not isinstance(value, TYPES[said]) or (isinstance(value, bool) and said != "boolean"):
                    found.append(f"{place}: {value!r} is no {said}")
            case "const" if value != said:
                found.append(f"{place}: {value!r} is not {said!r}")
            case "enum" if value not in said:
                found.append(f"{place}: {value!r} is none of {said}")
            case "pattern" if isinstance(value, str) and not re.search(said, value):
                found.append(f"{place}: {value!r} does not match {said}")
            case "$ref":
                found += faults(value, root["$defs"][said.removeprefix("#/$defs/")], root, place)
            case "required" if isinstance(value, dict):
                found += [f"{place}: {name} is missing" for name in said if name not in value]
            case "properties" if isinstance(value, dict):
                for name in said.keys() & value.keys():
                    found += faults(value[name], said[name], root, f"{place}.{name}")
            case "additionalProperties" if isinstance(value, dict):
                for name in value.keys() - schema.get("properties", {}).keys():
                    if said is False:
                        found.append(f"{place}: {name} is not described")
                    else:
                        found += faults(value[name], said, root, f"{place}.{name}")
            case "items" if isinstance(value, list):
                for number, one in enumerate(value):
                    found += faults(one, said, root, f"{place}[{number}]")
            case "anyOf" | "oneOf":
                each = [faults(value, one, root, place) for one in said]
                fitting = sum(not one for one in each)
                if not fitting or (keyword == "oneOf" and fitting > 1):
                    nearest = min(each, key=len)
                    found.append(f"{place}: fits {fitting} of {keyword}; {'; '.join(nearest)}")
            case "const" | "enum" | "pattern" | "required" | "properties" | "additionalProperties" | "items":
                pass
            case _:
                assert keyword in SAID, f"{keyword} is not known here"
    return found


def line_faults(line: bytes, schema: dict[str, Any]) -> list[str]:
    """What of a journal's line does not fit the journal's schema."""
    return faults(json.loads(line), schema, schema)
