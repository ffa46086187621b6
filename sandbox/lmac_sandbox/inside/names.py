"""Names of a glossary in the texts that use them: other spellings, and names that nobody mentions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from .markdown import Document
from .prose import Fault

LEAST_LETTERS = 4
"""Of a word that is compared: shorter ones are near to too many others."""
MOST_LETTERS = 40
LONG_LETTERS = 8
"""From here on, two wrong letters still make the same name."""

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_ITEM = re.compile(r"\s{0,8}(?:[-*+]|\d{1,3}[.)])\s+(\S.*)")
_NAME_END = re.compile(r"\*\*|__|:|\(| [\u2013\u2014-] ")


def glossary_names(lines: Iterable[str]) -> list[str]:
    """Names of list items: what stands before the colon, dash or bracket, without its emphasis."""
    names = []
    for line in lines:
        if item := _ITEM.match(line):
            name = _NAME_END.split(item[1].lstrip("*_` "), maxsplit=1)[0].strip("*_`\"' ")
            if name and len(name) <= 100:
                names.append(name)
    return list(dict.fromkeys(names))


def name_faults(glossary: str, names: list[str], texts: Mapping[str, Document]) -> Iterator[Fault]:
    """Words that are nearly a name, with the spelling that the glossary has, and names that never occur."""
    known = {word for name in names for word in _WORD.findall(name) if _is_name(word)}
    near = _Near(known)
    joined = {_joined(name): name for name in names if len(_joined(name)) >= LEAST_LETTERS}
    words = {
        path: [(line, _WORD.findall(text)) for line, text in document.paragraphs]
        for path, document in texts.items()
    }
    # A word that is written small somewhere is a word of the language, and no name.
    small = {
        word for lines in words.values() for _, found in lines for word in found if word == word.casefold()
    }
    for path, lines in sorted(words.items()):
        yield from _misspelt(path, lines, glossary, near, small)
        yield from _divided(path, lines, glossary, joined)
    if texts:
        yield from _unused(glossary, names, words)


def _misspelt(
    path: str, lines: list[tuple[int, list[str]]], glossary: str, near: _Near, small: set[str]
) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for line, found in lines:
        for word in found:
            first.setdefault(word, line)
    for word, line in first.items():
        if not _is_name(word) or word in near.known or word.casefold() in small:
            continue
        if name := near.name_of(word):
            said = f"{word}: {glossary} has {name}; write {name}, or add {word} there"
            yield path, line, "misspelt-name", said


def _divided(
    path: str, lines: list[tuple[int, list[str]]], glossary: str, joined: Mapping[str, str]
) -> Iterator[Fault]:
    """`Sea-Lark` and `Sea Lark` for `Sealark`, and the other way round."""
    told: set[str] = set()
    for line, found in lines:
        pairs = [f"{one} {two}" for one, two in pairwise(found) if one[0].isupper() and two[0].isupper()]
        for written in (*found, *pairs):
            name = joined.get(_joined(written))
            if name is None or written in told or not written[0].isupper():
                continue
            if _squeezed(written) != _squeezed(name):
                told.add(written)
                said = f"{written}: {glossary} has {name}; write it the same everywhere"
                yield path, line, "misspelt-name", said


def _unused(
    glossary: str, names: list[str], words: Mapping[str, list[tuple[int, list[str]]]]
) -> Iterator[Fault]:
    used = Counter(
        part.casefold()
        for lines in words.values()
        for _, found in lines
        for word in found
        for part in _parts(word)
    )
    for name in names:
        own = [part.casefold() for word in _WORD.findall(name) for part in _parts(word)]
        telling = [part for part in own if len(part) >= LEAST_LETTERS] or own
        if telling and not any(used[part] for part in telling):
            yield glossary, 1, "unused-name", f"{name} occurs in no chapter: tell of it, or take it out"


class _Near:
    """Finds the known word that differs by a letter or two, at a cost that no number of names raises."""

    def __init__(self, known: set[str]) -> None:
        self.known = known
        self._folded = {word.casefold() for word in known}
        self._by_rest: dict[str, set[str]] = {}
        for word in sorted(known):
            for rest in _rests(word.casefold()):
                self._by_rest.setdefault(rest, set()).add(word)

    def name_of(self, word: str) -> str:
        """The name that the word is a misspelling of; "" of any other word."""
        folded = word.casefold()
        if folded in self._folded or _is_form(folded, self._folded):
            return ""
        candidates = {name for rest in _rests(folded) for name in self._by_rest.get(rest, ())}
        for name in sorted(candidates):
            other = name.casefold()
            allowed = 2 if min(len(other), len(folded)) >= LONG_LETTERS else 1
            if other[0] == folded[0] and _distance(other, folded) <= allowed:
                return name
        return ""


def _is_name(word: str) -> bool:
    return word[0].isupper() and LEAST_LETTERS <= len(word) <= MOST_LETTERS


def _is_form(word: str, known: set[str]) -> bool:
    """Plural and other endings of a known word, or the word without them."""
    return any(
        word.endswith(end) and word.removesuffix(end) in known for end in ("s", "es", "n", "an", "er")
    ) or (f"{word}s" in known)


def _rests(word: str) -> set[str]:
    """The word with none, one or, if it is long, two letters taken out."""
    rests = {word} | {word[:at] + word[at + 1 :] for at in range(len(word))}
    if len(word) >= LONG_LETTERS:
        rests |= {rest[:at] + rest[at + 1 :] for rest in list(rests) for at in range(len(rest))}
    return rests


def _distance(one: str, two: str) -> int:
    """Letters to put in, take out, change, or exchange with their neighbours."""
    before, row = list[int](), list(range(len(two) + 1))
    for at, letter in enumerate(one, 1):
        earlier, before, row = before, row, [at]
        for to, other in enumerate(two, 1):
            cost = min(before[to] + 1, row[to - 1] + 1, before[to - 1] + (letter != other))
            if at > 1 and to > 1 and letter == two[to - 2] and other == one[at - 2]:
                cost = min(cost, earlier[to - 2] + 1)
            row.append(cost)
    return row[-1]


def _joined(name: str) -> str:
    return name.replace(" ", "").replace("-", "").casefold()


def _squeezed(name: str) -> str:
    return " ".join(name.split()).casefold()


def _parts(word: str) -> list[str]:
    return [word, *word.split("-")] if "-" in word else [word]
