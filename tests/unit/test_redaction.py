"""Keys are taken out of whatever leaves, in every form in which they may stand there."""

from __future__ import annotations

import base64
import html
import json
import re
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac.redaction import KEY_SHOWN, NO_SECRETS, Redaction

KEY = 'sk-"v3ry\\s3cret/+&=<0123>'
REDACTION = Redaction([KEY])
KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=80)


@pytest.mark.parametrize(
    "form",
    [
        KEY,
        json.dumps(KEY)[1:-1],
        json.dumps(KEY)[1:-1].replace("/", "\\/"),
        quote(KEY),
        quote(KEY, safe=""),
        quote_plus(KEY),
        re.sub("%..", lambda found: found[0].lower(), quote(KEY, safe="")),
        html.escape(KEY),
        KEY.encode().hex(),
        KEY.encode().hex().upper(),
        base64.b64encode(KEY.encode()).decode().rstrip("="),
    ],
)
def test_a_key_is_taken_out_however_it_is_escaped(form: str) -> None:
    said = f"the server says: {form}, twice: {form}"

    assert KEY not in REDACTION.text(said)
    assert form not in REDACTION.text(said)
    assert REDACTION.text(said).startswith(f"the server says: {KEY_SHOWN}")
    assert REDACTION.content(said.encode()) == REDACTION.text(said).encode()
    assert REDACTION.holds(said)
    assert REDACTION.holds(said.encode())


@given(KEYS, st.binary(max_size=20), st.binary(max_size=20), st.booleans())
def test_base64_of_any_text_that_holds_the_key_does_not_give_it_away(
    key: str, before: bytes, after: bytes, for_addresses: bool
) -> None:
    encode = base64.urlsafe_b64encode if for_addresses else base64.b64encode
    encoded = encode(before + key.encode() + after).decode()

    assert KEY_SHOWN in Redaction([key]).text(encoded)


@given(KEYS, st.text(max_size=30), st.text(max_size=30))
def test_no_text_holds_the_key_afterwards(key: str, before: str, after: str) -> None:
    redacted = Redaction([key]).text(before + key + after)

    assert key not in redacted
    assert KEY_SHOWN in redacted


def test_all_of_a_json_value_is_looked_at_and_what_holds_no_key_stays() -> None:
    value = {"a": [1, None, f"x {KEY}"], KEY: {"deep": (KEY, "y")}, "b": True}

    assert REDACTION.value(value) == {
        "a": [1, None, f"x {KEY_SHOWN}"],
        KEY_SHOWN: {"deep": (KEY_SHOWN, "y")},
        "b": True,
    }
    assert REDACTION.value({"plain": ["a", 2.5]}) == {"plain": ["a", 2.5]}


@pytest.mark.parametrize("key", ["", None, "short-1", "lm-studio", "LM-Studio", "not-needed"])
def test_what_is_no_secret_is_not_looked_for(key: str | None) -> None:
    redaction = Redaction([key])

    assert not redaction
    assert redaction.text(f"a task about {key}") == f"a task about {key}"


def test_without_a_secret_nothing_is_copied() -> None:
    value = {"a": ["b"]}

    assert NO_SECRETS.value(value) is value
    assert not NO_SECRETS.holds("anything")


def test_a_megabyte_is_looked_through_in_a_moment() -> None:
    redaction = Redaction([KEY, "sk-another-key-0123456789"])
    content = b"sk-and then some words of a file, again and again\n" * 20_000
    redaction.content(content)
    began = time.perf_counter()

    redaction.content(content)

    assert time.perf_counter() - began < 0.5
