"""Forms in which a line of prose or code states what a call gives: `f(1) == 2`, `f(1) -> 2`, `f(1)  # 2`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

_LINE_CHARACTERS = 2000
_CALL_CHARACTERS = 1000
_CALLS = 50
"""Of one line: each that never closes costs a search to its end."""
_CALL = re.compile(r"(?<![\w.@])([A-Za-z_]\w*)\(")
_ATTRIBUTE = re.compile(r"\.[A-Za-z_]\w*")
_OPENING = {"(": ")", "[": "]", "{": "}"}
_STATES = re.compile(
    r"(?P<closed>`?)\s{0,20}(?P<by>#\s{0,4}(?:=+>|-+>|➞|→|==|returns?:?)?|=+>|-+>|➞|→|⇒|=="
    r"|(?:(?:should|must|will|shall) (?:return|equal|give)|returns|gives|equals|evaluates to|is)\b)"
    r"\s{0,20}(?P<opened>`?)"
)
_COMMENT = re.compile(r"#\s{0,8}(?:=+>|-+>|➞|→|==|returns?:?\s)?\s{0,8}`?")
_NUMBER = re.compile(r"[-+]?(?:\d[\d_]*(?:\.\d+)?(?:[eE][-+]?\d+)?|\.\d+)")
_WORD = re.compile(r"(?:True|False|None|true|false)\b")
# After a result: the end, a mark of punctuation, or a word that sets no condition.
_GOES_ON = re.compile(
    r"`?(?:\s*$|[.;:!](?:\s|$)|\)|,\s*(?![\s\d'\"\[({+-]|True\b|False\b|None\b)|\s{0,40}#"
    r"|\s{1,40}(?!(?:or|if|when|whenever|unless|else|where|depending|in|not|is|to|for|while|until|otherwise)\b)"
    r"[A-Za-z(`➞→])"
)
_DENIES = re.compile(
    r"\b(?:not|never|no|cannot|instead|wrong|without|unless|if|incorrect|bug)\b|n't\b", re.IGNORECASE
)
_CLAUSE = re.compile(r"[.,:;]\s")
_BEFORE_CHARACTERS = 60
_OPERATORS = "+-*/%<>&|^~=@"


def call_examples(line: str) -> Iterator[tuple[str, str]]:
    """Every call of the line whose result the line states as a literal: both as source."""
    line = line[:_LINE_CHARACTERS]
    place = 0
    for _ in range(_CALLS):
        match = _CALL.search(line, place)
        if match is None:
            return
        place = match.end()
        end = _call_end(line, match.end() - 1)
        if end is None:
            continue
        if _is_alone(line[: match.start()]) and (result := _result_after(line, match.start(), end)):
            yield line[match.start() : end], result
        # What stands within the call is part of it.
        place = end


def stated_result(comment: str) -> str | None:
    """The literal with which a comment begins that stands behind an expression."""
    match = _COMMENT.match(comment)
    return _literal(comment, match.end()) if match else None


def _result_after(line: str, start: int, end: int) -> str | None:
    match = _STATES.match(line, end)
    if not match:
        return None
    by = match["by"]
    if by == "is" and not (match["closed"] and match["opened"]):
        return None
    result = _literal(line, match.end())
    if result is None:
        return None
    # Arguments without a value, or defaults before a type: a signature as likely as a call.
    is_signature = line[start:end].endswith("()") or result == "None"
    if is_signature and not by.startswith(("#", "==")):
        return None
    return result


def _is_alone(before: str) -> bool:
    """Whether nothing before the call makes something else of it."""
    text = before.rstrip()
    if text.endswith(("def", "class", "async", "lambda")):
        return False
    if text.strip() not in ("", "-", "*", "+", ">") and text[-1:] in tuple(_OPERATORS):
        return False
    return not _DENIES.search(_CLAUSE.split(before[-_BEFORE_CHARACTERS:])[-1])


def _call_end(line: str, opening: int) -> int | None:
    """Behind the call and what is called, looked up or indexed of its result."""
    end = _closing(line, opening)
    while end is not None and end < len(line):
        if line[end] in "([":
            end = _closing(line, end)
        elif match := _ATTRIBUTE.match(line, end):
            end = match.end()
        else:
            return end
    return end


def _closing(line: str, opening: int) -> int | None:
    """Behind the bracket that closes the one at `opening`; None without one near."""
    open_ones: list[str] = []
    place = opening
    while place < min(len(line), opening + _CALL_CHARACTERS):
        char = line[place]
        if char in "'\"":
            behind = _string_end(line, place)
            if behind is None:
                return None
            place = behind
            continue
        if char in _OPENING:
            open_ones.append(_OPENING[char])
        elif char in ")]}":
            if open_ones.pop() != char:
                return None
            if not open_ones:
                return place + 1
        place += 1
    return None


def _string_end(line: str, start: int) -> int | None:
    place = start + 1
    while place < min(len(line), start + _CALL_CHARACTERS):
        if line[place] == "\\":
            place += 1
        elif line[place] == line[start]:
            return place + 1
        place += 1
    return None


def _literal(line: str, start: int) -> str | None:
    """The literal that begins there, when nothing after it makes an expression or a condition of it."""
    char = line[start : start + 1]
    end: int | None
    if char and char in "'\"":
        end = _string_end(line, start)
    elif char in _OPENING:
        end = _closing(line, start)
    else:
        match = _WORD.match(line, start) or _NUMBER.match(line, start)
        end = match.end() if match else None
    if end is None or not _GOES_ON.match(line, end):
        return None
    source = line[start:end]
    # As most other languages write it.
    source = source.capitalize() if source in ("true", "false") else source
    try:
        value = ast.literal_eval(source)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    # A number in brackets is one that is counted with.
    is_bracketed = char == "(" and not isinstance(value, tuple)
    return None if is_bracketed or "..." in source else source
