"""Prose that says nothing: placeholders, and paragraphs and sentences that come again. Linear in the text."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from .markdown import Document

Fault = tuple[str, int, str, str]
"""Path, line, rule, text."""

PARAGRAPH_WORDS = 8
"""Shorter paragraphs may come again: a line of a song, a greeting."""
SENTENCE_WORDS = 6
SENTENCE_TIMES = 3
SHINGLE_WORDS = 4
NEARLY = 0.7
"""Share of a paragraph's word sequences that another one has too."""
OWNERS = 4
"""Paragraphs remembered of one sequence: more would cost the square of a flood."""

_WORD = re.compile(r"\w+")
_SENTENCE_END = re.compile(r"[.!?\u2026][\"'\u201d\u2019)]?\s")
_MARKS = re.compile(r"\b(?:TODO|TBD|FIXME|XXX)\b")
_WORDS = re.compile(
    r"lorem ipsum|\[(?:insert|add|your|placeholder|to be|describe|fill in|continue)\b"
    r"|[\[(](?:the )?(?:rest of|remaining|story continues|chapter continues|to be continued)\b",
    re.IGNORECASE,
)
_ONLY_DOTS = re.compile(r"[\s.…\[\]()*-]*(?:\.\.\.|…)[\s.…\[\]()*-]*")
_EXAMPLES = frozenset({"TITLE", "NAME", "SHORT-TITLE", "CHAPTER TITLE", "WHAT IT TELLS"})
"""What forms in prompts have where the model shall write something of its own."""


def placeholders(path: str, document: Document) -> Iterator[Fault]:
    """What stands where text shall come."""
    for line, text in document.paragraphs:
        if found := _placeholder(text):
            yield path, line, "placeholder", f"{found!r} stands in place of text: write the text itself"
    for heading in document.headings:
        if heading.text in _EXAMPLES or _placeholder(heading.text):
            yield path, heading.line, "placeholder", f"the heading {heading.text!r} is none: write a title"


def _placeholder(text: str) -> str:
    if len(text) <= 80 and _ONLY_DOTS.fullmatch(text):
        return text
    found = _MARKS.search(text) or _WORDS.search(text)
    return found[0] if found else ""


def repetitions(documents: Mapping[str, Document]) -> Iterator[Fault]:
    """Paragraphs that come again, word for word or nearly so, and sentences that come again and again."""
    places = [
        (path, line, _WORD.findall(text.casefold()), text)
        for path, document in sorted(documents.items())
        for line, text in document.paragraphs
    ]
    yield from _paragraphs([place[:3] for place in places])
    yield from _sentences(places)


def _paragraphs(places: list[tuple[str, int, list[str]]]) -> Iterator[Fault]:
    same: dict[tuple[str, ...], int] = {}
    owners: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, (path, line, words) in enumerate(places):
        if len(words) < PARAGRAPH_WORDS:
            continue
        first = same.setdefault(tuple(words), number)
        shingles = {tuple(words[at : at + SHINGLE_WORDS]) for at in range(len(words) - SHINGLE_WORDS + 1)}
        if first != number:
            yield path, line, "repeated-paragraph", _again("the same", places[first])
            continue
        shared = Counter(owner for shingle in shingles for owner in owners[shingle])
        for shingle in shingles:
            if len(owners[shingle]) < OWNERS:
                owners[shingle].append(number)
        if shared:
            nearest, count = max(shared.items(), key=lambda pair: (pair[1], -pair[0]))
            if count >= NEARLY * len(shingles):
                yield path, line, "repeated-paragraph", _again("nearly the same", places[nearest])


def _again(how: str, place: tuple[str, int, list[str]]) -> str:
    return f"{how} paragraph as {place[0]}:{place[1]}: tell something new here, or remove it"


def _sentences(places: list[tuple[str, int, list[str], str]]) -> Iterator[Fault]:
    times: Counter[tuple[str, ...]] = Counter()
    first: dict[tuple[str, ...], str] = {}
    for path, line, _, text in places:
        row, before = 1, ()
        for sentence in _SENTENCE_END.split(text):
            words = tuple(_WORD.findall(sentence.casefold()))
            row = row + 1 if words and words == before else 1
            before = words
            if len(words) >= SENTENCE_WORDS:
                times[words] += 1
                first.setdefault(words, f"{path}:{line}")
                if times[words] >= SENTENCE_TIMES:
                    said = f"{sentence.strip()[:120]!r} comes for the {times[words]}th time"
                    yield path, line, "repeated-sentence", f"{said}, first in {first[words]}: say it once"
            elif row == SENTENCE_TIMES:
                yield path, line, "repeated-sentence", f"{sentence.strip()!r} again and again: say it once"
