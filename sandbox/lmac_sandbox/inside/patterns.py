"""Which files of a folder shell patterns name."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from .tree import Tree


def fits(path: str, patterns: Iterable[str]) -> bool:
    """Whether a pattern names the path: by the file's name or, with a `/` in the pattern, as a whole."""
    name = path.rpartition("/")[2]
    return any(fnmatchcase(path if "/" in pattern else name, pattern) for pattern in patterns)


def matching_files(patterns: Iterable[str], folder: str = ".") -> list[str]:
    """Relative paths of the regular files below `folder`; links are not followed."""
    wanted = tuple(patterns)
    tree = Tree(folder)
    try:
        return [path for path in tree.walk() if fits(path, wanted)]
    finally:
        tree.close()
