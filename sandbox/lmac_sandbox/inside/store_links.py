"""Which files of a store use which, and the names that their definitions begin with: by lines alone."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator

from .outlines import JAVASCRIPT, PYTHON

LINE_BYTES = 300
"""Of a line that is looked at."""
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]+")
_QUOTED_PLACE = re.compile(r"""(?:from|require\(|import\(|import) {0,3}["'](\.[^"']*)["']""")
_MODULE = re.compile(r"[.\w]+")
_HEADS = ("def ", "class ", "async def ", "function ", "export ", "const ", "#")


def words_of(text: str) -> set[str]:
    """Words of two letters or more, folded."""
    return {word.casefold() for word in _WORD.findall(text)}


def read_links(path: str, source: bytes, paths: Collection[str]) -> tuple[set[str], set[str]]:
    """Paths of the store that this file imports, and words of its own path and of its definitions' heads."""
    used: set[str] = set()
    words = words_of(path)
    for raw in source.split(b"\n"):
        line = raw[:LINE_BYTES].decode("utf-8", "replace").strip()
        if path.endswith(PYTHON) and line.startswith(("from ", "import ")):
            used.update(target for target in _python_targets(path, line) if target in paths)
        elif path.endswith(JAVASCRIPT):
            for match in _QUOTED_PLACE.finditer(line):
                used.update(target for target in _script_targets(path, match[1]) if target in paths)
        if line.startswith(_HEADS):
            words |= words_of(line.partition("(")[0])
    used.discard(path)
    return used, words


def _python_targets(path: str, line: str) -> Iterator[str]:
    start, _, rest = line.partition(" ")
    if start == "from":
        module, _, names = rest.partition(" import")
        module = module.strip()
        inner = [name for name in _MODULE.findall(names)[:20] if name != "as"]
        modules = [module, *(f"{module}{'' if module.endswith('.') else '.'}{name}" for name in inner)]
    else:
        modules = [match[0] for part in rest.split(",")[:20] if (match := _MODULE.match(part.strip()))]
    for module in modules:
        yield from _module_paths(path, module)


def _module_paths(path: str, module: str) -> Iterator[str]:
    dots = len(module) - len(module.lstrip("."))
    own = posixpath.dirname(path)
    inner = module[dots:].replace(".", "/")
    if dots:
        for _ in range(min(dots - 1, 16)):
            own = posixpath.dirname(own)
        places = [posixpath.join(own, inner)] if inner else [own]
    else:
        # A module beside the file, as scripts import it; then from the store's top, as tests do.
        places = [posixpath.join(own, inner), inner, f"src/{inner}"]
    for place in places:
        yield f"{place}.py"
        yield f"{place}/__init__.py"


def _script_targets(path: str, place: str) -> Iterator[str]:
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), place))
    yield target
    for extension in JAVASCRIPT:
        yield f"{target}{extension}"
        yield f"{target}/index{extension}"
