"""What `write`, `edit` and `patch` share: the store's refusals, copies that change nothing, example paths."""

from __future__ import annotations

from collections.abc import Callable

from lmac.tools.edited_text import EditRefused
from lmac.tools.tool import ToolResult, Workspace, known_paths
from lmac_sandbox import FileMissing, PathRejected, StoreFull

_EXAMPLE_NAMES = frozenset(
    {"path", "file_path", "filename", "filename.py", "module", "test file", "test_file"}
)
_EXAMPLE_FOLDERS = ("path/to/", "path/to_", "/path/to/", "your/path/", "some/path/", "full/path/")
_BRACKETS = "<>[]{}$"


def example_path_refused(path: str) -> ToolResult | None:
    """The refusal of a path that stands for one: weak models copy an example as it is."""
    bare = path.strip().lower()
    if bare in _EXAMPLE_NAMES or bare.startswith(_EXAMPLE_FOLDERS) or bare.strip(_BRACKETS) in _EXAMPLE_NAMES:
        return ToolResult(
            f"{path[:200]} is an example of a path: give the file's own, such as the step names it.", ok=False
        )
    return None


def written(path: str, content: bytes, workspace: Workspace, told: str) -> ToolResult:
    """Put the content into the store.

    Args:
        told: What to say when it stands there.
    """
    before = workspace.store.digest()
    try:
        after = workspace.store.write(path, content)
    except (PathRejected, StoreFull) as error:
        return ToolResult(f"{path} was not written: {error}", ok=False)
    if after == before:
        return unchanged(path)
    return ToolResult(told)


def unchanged(path: str) -> ToolResult:
    """A change that is none; what follows in the reply may still be right, so it is not stopped."""
    return ToolResult(
        f"unchanged: {path} already held exactly this, so nothing was done. Give what shall be different.",
        ok=False,
        stops=False,
    )


def edited(path: str, edit: Callable[[str], str], workspace: Workspace, what: str) -> ToolResult:
    """Apply an edit to a file of the store, whole or not at all.

    Args:
        what: The edit in a few words, for the answer.
    """
    if refusal := example_path_refused(path):
        return refusal
    try:
        text = workspace.store.read(path).decode("utf-8")
    except FileMissing:
        text = None
    except PathRejected as error:
        return ToolResult(f"{path} was not changed: {error}", ok=False)
    except UnicodeDecodeError:
        return ToolResult(f"{path} was not changed: it is no UTF-8 text; write it whole.", ok=False)
    try:
        result = edit(text or "")
    except EditRefused as refusal:
        if text is None:
            return _missing(path, workspace)
        return ToolResult(f"{path} was not changed: {refusal}", ok=False)
    if result == text:
        return unchanged(path)
    # A lone surrogate, which JSON can carry, is no UTF-8.
    return written(path, result.encode("utf-8", "replace"), workspace, f"Changed {path}: {what}.")


def _missing(path: str, workspace: Workspace) -> ToolResult:
    known = known_paths(path, workspace.store.paths())
    return ToolResult(
        f"{path} is not in the store, so nothing of it can be replaced: write it whole. There are: {known}",
        ok=False,
    )
