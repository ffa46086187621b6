"""The store map: what the files define, ranked and cut to size; spans of names; folders. Answers in JSON.

The order is the first argument, as JSON. `kind` is one of
    map:  `focus`, `near` (paths), `words`, `room`, `whole_room` (characters), `not_whole` (paths)
          -> {"files": n, "lines": [...], "whole": [paths that are to be shown whole]}
    span: `path`, `name` -> {"first", "last", "names": [those that there are, if not this one], "fault"}
    list: `folder`, `page` -> {"lines": [...], "page", "pages", "files": n}
Source text is parsed by nothing that it could break: see `parsing`.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .expected import is_test_file
from .outlines import Outline, one_line
from .parsing import Parsed, Parser
from .patterns import matching_files
from .store_links import read_links, words_of
from .tree import Tree

SCANNED_BYTES = 256 * 2**10
"""Of one file, in looking for imports and names."""
PAGE_ENTRIES = 100
MOST_NAMES = 40
MOST_WHOLE = 40
MOST_FOLDERS = 30
_AT_ONCE = 24
"""Files that are parsed before it is looked whether there is room for more."""
_ENTRY_CHARACTERS = 300
"""What one file may take however little room there is."""


def main() -> None:
    """Print the answer."""
    order = json.loads(sys.argv[1])
    paths = matching_files(["*"])
    match order["kind"]:
        case "map":
            answer = _map(order, paths)
        case "span":
            answer = _span(str(order["path"]), str(order["name"]))
        case _:
            answer = _list(str(order["folder"]), int(order["page"]), paths)
    sys.stdout.write(json.dumps(answer))


# The map


def _map(order: Mapping[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    sizes = {path: os.stat(path, follow_symlinks=False).st_size for path in paths}
    ranked = _ranked(order, sizes)
    whole = _whole(order, ranked, sizes)
    foremost = {*order["focus"], *order["near"]}
    room = int(order["room"])
    reserve = min(room // 4, 600)
    lines: list[str] = []
    parser = Parser()
    shown = 0
    while shown < len(ranked) and room > reserve:
        batch = ranked[shown : shown + _AT_ONCE]
        # What is shown whole needs no outline.
        outlined = dict(parser.outlines([path for path in batch if path not in whole]))
        for path in batch:
            share = room // 2 if path in foremost else room // 3
            entry = _entry(path, sizes[path], outlined.get(path), max(share, _ENTRY_CHARACTERS))
            cost = sum(len(line) + 1 for line in entry)
            if cost > room - reserve and shown < len(ranked) - 1:
                entry, cost = entry[:1], len(entry[0]) + 1
            if cost > room:
                room = 0
                break
            lines += entry
            room -= cost
            shown += 1
    lines += _folder_lines(ranked[shown:], sizes, max(room, reserve))
    return {"files": len(paths), "lines": lines, "whole": whole}


def _ranked(order: Mapping[str, Any], sizes: Mapping[str, int]) -> list[str]:
    """Files of the instruction, what is near, their imports and importers, named ones, all others."""
    focus = [path for path in order["focus"] if path in sizes]
    near = [path for path in order["near"] if path in sizes]
    wanted = set().union(*(words_of(str(word)) for word in order["words"]))
    links: dict[str, set[str]] = {}
    scores: dict[str, int] = {}
    tree = Tree(".")
    for path in sizes:
        links[path], words = read_links(path, tree.read(path, SCANNED_BYTES), sizes)
        scores[path] = len(wanted & words)
    tree.close()
    linked = set().union(*(links[path] for path in focus))
    linked.update(path for path, used in links.items() if not used.isdisjoint(focus))

    def rank(path: str) -> tuple[int, int, bool, str]:
        tests = is_test_file(path)
        if path in focus:
            return 0, focus.index(path), tests, path
        if path in near:
            return 1, near.index(path), tests, path
        if path in linked:
            return 2, -scores[path], tests, path
        return (3 if scores[path] else 4), -scores[path], tests, path

    return sorted(sizes, key=rank)


def _whole(order: Mapping[str, Any], ranked: Iterable[str], sizes: Mapping[str, int]) -> list[str]:
    """Those whose contents there is room for, the most wanted first; of tests those in focus alone."""
    room = int(order["whole_room"])
    found: list[str] = []
    for path in ranked:
        if path in order["not_whole"] or (is_test_file(path) and path not in order["focus"]):
            continue
        if sizes[path] <= room and len(found) < MOST_WHOLE:
            room -= sizes[path]
            found.append(path)
    return found


def _entry(path: str, size: int, parsed: Parsed | None, most_characters: int) -> list[str]:
    """The file's line, and one for each public name as far as there is room."""
    head = f"{path} ({size} bytes)"
    if parsed is None:
        return [head]
    if not isinstance(parsed, Outline):
        return [f"{head}: {parsed}"]
    lines = [f"{head}: {parsed.about}" if parsed.about else head]
    room = most_characters - len(lines[0])
    public = [one for one in parsed.definitions if one.public]
    for number, one in enumerate(public):
        line = f"{'  ' * (one.depth + 1)}{one.text}"
        room -= len(line) + 1
        if room < 0:
            lines.append(f"  ... {len(public) - number} more names")
            break
        lines.append(line)
    return lines


def _folder_lines(paths: Sequence[str], sizes: Mapping[str, int], room: int) -> list[str]:
    """Files that found no room: one line a folder, in fewer and higher folders the more there are."""
    if not paths:
        return []
    for depth in (16, 4, 2, 1):
        counts: Counter[str] = Counter()
        totals: Counter[str] = Counter()
        for path in paths:
            folder = "/".join(path.split("/")[:-1][:depth])
            counts[folder] += 1
            totals[folder] += sizes[path]
        lines = [
            f"{f'{folder}/' if folder else 'at the top'}: {counts[folder]} more files, {totals[folder]} bytes"
            for folder in sorted(counts)
        ]
        if len(lines) <= MOST_FOLDERS and sum(map(len, lines)) + len(lines) <= room:
            return lines
    return [f"{len(paths)} more files in {len(counts)} folders, {sum(totals.values())} bytes"]


# Names


def _span(path: str, name: str) -> dict[str, Any]:
    """The lines of one definition: by its full name, else by its last part where only one has it."""
    answer: dict[str, Any] = {"first": 0, "last": 0, "names": [], "fault": ""}
    if not os.path.isfile(path):
        return answer | {"fault": "there is no such file"}
    [(_, parsed)] = Parser().outlines([path])
    if not isinstance(parsed, Outline):
        return answer | {"fault": parsed}
    wanted = name.strip().removesuffix("()").lstrip("# ").strip()
    # The last definition of a name is the one that counts.
    exact = [one for one in parsed.definitions if one.name == wanted][-1:]
    loose = [
        one
        for one in parsed.definitions
        if one.name.rpartition(".")[2] == wanted or one.name.casefold() == wanted.casefold()
    ]
    found = exact or (loose if len(loose) == 1 else [])
    if found:
        return answer | {"first": found[0].first, "last": found[0].last}
    named = [one.name for one in loose] or [one.name for one in parsed.definitions]
    return answer | {"names": [one_line(one, 100) for one in named[:MOST_NAMES]]}


# Folders


def _list(folder: str, page: int, paths: Sequence[str]) -> dict[str, Any]:
    """What stands directly in a folder: folders with what they hold in all, then files."""
    prefix = f"{folder.strip('/')}/" if folder.strip("/.") else ""
    within = [path for path in paths if path.startswith(prefix)]
    below: Counter[str] = Counter()
    files: list[str] = []
    for path in within:
        name, slash, _ = path[len(prefix) :].partition("/")
        if slash:
            below[name] += 1
        else:
            files.append(path)
    # A store that fits on one page is told whole: asking folder by folder would cost turns.
    if len(within) <= PAGE_ENTRIES:
        entries = within
    else:
        entries = [f"{prefix}{name}/" for name in sorted(below)] + files
    pages = max(-(-len(entries) // PAGE_ENTRIES), 1)
    page = min(max(page, 1), pages)
    lines = []
    for entry in entries[(page - 1) * PAGE_ENTRIES : page * PAGE_ENTRIES]:
        if entry.endswith("/"):
            lines.append(f"{entry} ({below[entry[len(prefix) : -1]]} files)")
        else:
            lines.append(f"{entry} ({os.stat(entry, follow_symlinks=False).st_size} bytes)")
    return {"lines": lines, "page": page, "pages": pages, "files": len(within)}
