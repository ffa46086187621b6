"""What holds a book together: its outline and its chapters, and the names that all of them share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .markdown import Document
from .names import glossary_names, name_faults
from .patterns import fits
from .prose import Fault

_BREAKS = re.compile(r"[\s()\[\]<>`*\"',;|]+")


def book_faults(options: Mapping[str, Any], documents: Mapping[str, Document]) -> Iterator[Fault]:
    """All that concerns more than one file.

    Args:
        options: `outline`, `glossary`, `names_heading`, `chapters`, `words_at_least`, `words_at_most`.
    """
    chapters = {path: one for path, one in documents.items() if fits(path, [options["chapters"]])}
    yield from _outline(options, documents, chapters)
    yield from _lengths(options, chapters)
    glossary = options["glossary"]
    if glossary not in documents:
        yield glossary, 1, "no-glossary", "there is no such file: write it, with every name below the heading"
        return
    names = glossary_names(documents[glossary].lines_below(options["names_heading"]))
    if not names:
        form = "`- **NAME**: who or what it is`"
        yield glossary, 1, "no-names", f"no name below the heading {options['names_heading']}: lines {form}"
    yield from name_faults(glossary, names, chapters)


def _outline(
    options: Mapping[str, Any], documents: Mapping[str, Document], chapters: Mapping[str, Document]
) -> Iterator[Fault]:
    outline = options["outline"]
    if outline not in documents:
        yield outline, 1, "no-outline", "there is no such file: write it, with a line for each chapter"
        return
    named = named_files(options["chapters"], documents[outline])
    if not named:
        yield (
            outline,
            1,
            "no-outline",
            f"it names no file {options['chapters']}: give each chapter a line and a link",
        )
    for path, line in named.items():
        if path not in documents:
            yield outline, line, "missing-chapter", f"{path} is not written"
    for path in sorted(chapters.keys() - named.keys()) if named else ():
        yield path, 1, "stray-chapter", f"{outline} does not name this file: add its line there, or delete it"


def named_files(pattern: str, document: Document) -> dict[str, int]:
    """Files of a pattern that a document names, by link or by path, with the lines."""
    named: dict[str, int] = {}
    for number, line in enumerate(document.lines, 1):
        for word in _BREAKS.split(line):
            path = word.removeprefix("./").partition("#")[0].rstrip(".:!?")
            if path and "/" in path and fits(path, [pattern]):
                named.setdefault(path, number)
    return named


def _lengths(options: Mapping[str, Any], chapters: Mapping[str, Document]) -> Iterator[Fault]:
    least, most = options["words_at_least"], options["words_at_most"]
    for path, document in chapters.items():
        if document.words < least:
            missing = least - document.words
            said = f"{document.words} words, at least {least} are wanted: tell about {missing} words more"
            yield path, 1, "too-short", said
        if most is not None and document.words > most:
            said = f"{document.words} words, at most {most} are wanted: cut {document.words - most} words"
            yield path, 1, "too-long", said
    if not chapters:
        yield options["chapters"], 1, "missing-chapter", "there is no chapter yet"
