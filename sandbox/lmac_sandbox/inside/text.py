"""The text check: structure, links, sections, length and prose of Markdown files, and books; answers in JSON.

The order is the first argument, as JSON: `files` (shell patterns), `required_sections`, `lengths`,
`placeholders`, `repetitions`, `book`.
The answer: `{"files": n, "faults": [{"path", "line", "rule", "text"}], "untold": {rule: count}}`.
"""

from __future__ import annotations

import json
import posixpath
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from .book import book_faults
from .markdown import Document, Heading, parse
from .patterns import fits, matching_files
from .prose import Fault, placeholders, repetitions

MOST_FAULTS = 50
"""Of one rule: a flood of one shall hide no other."""
TEXT_CHARACTERS = 300
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//")


def main() -> None:
    """Print the answer."""
    order = json.loads(sys.argv[1])
    everything = set(matching_files(["*"]))
    folders = {folder for file in everything for folder in _folders(file)}
    paths = sorted(path for path in everything if fits(path, order["files"]))
    documents: dict[str, Document] = {}
    faults: list[Fault] = []
    for path in paths:
        try:
            with open(path, encoding="utf-8") as file:
                documents[path] = parse(file.read())
        except UnicodeDecodeError as error:
            faults.append((path, 1, "not-utf8", f"not UTF-8 at byte {error.start}"))
    for path, document in documents.items():
        faults += _structure(path, document)
        faults += _links(path, documents, everything, folders, order.get("book"))
        if order.get("placeholders"):
            faults += placeholders(path, document)
    faults += _missing(order, documents)
    if order.get("repetitions"):
        faults += repetitions(_prose(documents, order.get("book")))
    if order.get("book"):
        faults += book_faults(order["book"], documents)
    told, untold = _first_of_each_rule(sorted(set(faults)))
    answer = {"files": len(paths), "faults": [_told(fault) for fault in told], "untold": untold}
    sys.stdout.write(json.dumps(answer))


def _prose(documents: Mapping[str, Document], book: Mapping[str, Any] | None) -> Mapping[str, Document]:
    """Without what chapters may say again: the outline's and the glossary's words are theirs to use."""
    if not book:
        return documents
    apart = (book["outline"], book["glossary"])
    return {path: document for path, document in documents.items() if path not in apart}


def _first_of_each_rule(faults: list[Fault]) -> tuple[list[Fault], dict[str, int]]:
    """The first `MOST_FAULTS` of each, and how many others it has."""
    counts: Counter[str] = Counter()
    first: list[Fault] = []
    for fault in faults:
        counts[fault[2]] += 1
        if counts[fault[2]] <= MOST_FAULTS:
            first.append(fault)
    return first, {rule: count - MOST_FAULTS for rule, count in counts.items() if count > MOST_FAULTS}


def _told(fault: Fault) -> dict[str, object]:
    path, line, rule, text = fault
    return {"path": path, "line": line, "rule": rule, "text": text[:TEXT_CHARACTERS]}


def _structure(path: str, document: Document) -> Iterator[Fault]:
    titles = [heading for heading in document.headings if heading.level == 1]
    if not titles:
        yield path, 1, "no-title", "no heading of the first level: begin the file with a line `# TITLE`"
    for heading in titles[1:]:
        yield path, heading.line, "second-title", f"a second heading of the first level: {heading.text}"
    yield from _outline(path, document.headings)
    for line in document.open_fences:
        yield path, line, "open-fence", "a code block that is never closed"
    for line, text in document.broken_tables:
        yield path, line, "broken-table", text


def _outline(path: str, headings: list[Heading]) -> Iterator[Fault]:
    level = 0
    for heading in headings:
        # The first heading may have any level; a file without a title is told already.
        if level and heading.level > level + 1:
            yield (
                path,
                heading.line,
                "heading-jump",
                f"level {heading.level} below level {level}: {heading.text}",
            )
        level = heading.level
        if not heading.text:
            yield path, heading.line, "empty-heading", "a heading without text"
        elif heading.empty:
            yield path, heading.line, "empty-section", f"nothing below the heading {heading.text}"


def _links(
    path: str,
    documents: dict[str, Document],
    everything: set[str],
    folders: set[str],
    book: dict[str, Any] | None,
) -> Iterator[Fault]:
    for line, link in documents[path].links:
        if _SCHEME.match(link):
            continue
        place, _, anchor = link.partition("#")
        target = _resolved(path, unquote(place.partition("?")[0]))
        if target.startswith("../") or target == "..":
            yield path, line, "dead-link", f"{link} leaves the store"
        elif book and target not in everything and fits(target, [book["chapters"]]):
            # It may come yet; what the outline says of it is told there.
            yield path, line, "missing-chapter", f"{target} is not written"
        elif target not in everything and target not in folders:
            yield path, line, "dead-link", f"{link}: there is no such file"
        elif anchor and target in documents and unquote(anchor) not in documents[target].anchors:
            yield path, line, "dead-anchor", f"{link}: no heading of that name in {target}"


def _resolved(path: str, place: str) -> str:
    """The store's path that a link means; from the top when it begins with `/`."""
    if not place:
        return path
    folder = "" if place.startswith("/") else posixpath.dirname(path)
    return posixpath.normpath(posixpath.join(folder, place.lstrip("/")))


def _folders(path: str) -> Iterator[str]:
    yield "."
    parts = path.split("/")[:-1]
    yield from ("/".join(parts[: size + 1]) for size in range(len(parts)))


def _missing(order: dict[str, Any], documents: dict[str, Document]) -> Iterator[Fault]:
    for demand in order.get("required_sections", ()):
        for path, document in _named(demand["files"], documents):
            there = {heading.text.casefold() for heading in document.headings}
            for heading in demand["headings"]:
                if heading.casefold() not in there:
                    yield path, 1, "missing-section", f"no heading named {heading}"
        yield from _absent(demand["files"], documents)
    for demand in order.get("lengths", ()):
        for path, document in _named(demand["files"], documents):
            if document.words < demand["at_least"]:
                yield (
                    path,
                    1,
                    "too-short",
                    f"{document.words} words; at least {demand['at_least']} are wanted",
                )
            if demand["at_most"] is not None and document.words > demand["at_most"]:
                yield path, 1, "too-long", f"{document.words} words; at most {demand['at_most']} are wanted"
        yield from _absent(demand["files"], documents)


def _named(pattern: str, documents: dict[str, Document]) -> list[tuple[str, Document]]:
    return [(path, document) for path, document in documents.items() if fits(path, [pattern])]


def _absent(pattern: str, documents: dict[str, Document]) -> Iterator[Fault]:
    if not _named(pattern, documents):
        yield pattern, 1, "missing-file", "no file fits this pattern, and something is demanded of it"
