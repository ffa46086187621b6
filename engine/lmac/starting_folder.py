"""An existing folder that a run starts from: which of its files enter the store, and which are left out."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from pathspec import GitIgnoreSpec

from lmac.errors import ConfigError
from lmac_sandbox import BadPath, StoreLimits, check_path, fold_path

IGNORE_NAME = ".gitignore"
IGNORE_BYTES = 65_536
MOST_STARS = 4
"""Wildcards of one line: matching costs the length of a path to the power of their number."""
MOST_RULES = 1000
"""Of one file; all of them are tried on every entry below it."""
RULES_SECONDS = 30.0
"""Of processor time, to read all rules and to try them on all entries."""
MOST_ENTRIES = 200_000
"""Looked at, ignored ones too."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What does not enter the store."""

    path: str
    """Of a file, or of a folder with all that is in it; may hold anything that a file system allows."""
    reason: str


@dataclass(frozen=True, slots=True)
class Start:
    """The files that a store begins with."""

    folder: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class _Rules:
    """One `.gitignore`, for the folder in which it stands."""

    folder: str
    """Ends with `/`, or is "" at the top."""
    spec: GitIgnoreSpec


def load_start(folder: Path, limits: StoreLimits) -> Start:
    """Read the regular files of a folder. No link is followed, no device opened; `.git` and what its
    `.gitignore` files ignore stay where they are.

    Raises:
        ConfigError: it is no folder or cannot be read, nothing is left of it, or more than a store may hold.
    """
    reader = _Reader(folder, limits)
    try:
        top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"--from {str(folder)!r}: {said}", "name a folder that can be read") from error
    try:
        reader.read_folder(top, "", ())
    finally:
        os.close(top)
    if not reader.files:
        reasons = "; ".join(f"{one.path}: {one.reason}" for one in reader.left_out[:3])
        raise ConfigError(
            f"--from {folder}: none of its files can be taken{f' ({reasons})' if reasons else ''}",
            "name the folder that holds the files, or leave --from out",
        )
    return Start(str(folder), reader.files, tuple(reader.left_out))


class _Reader:
    """Collects files and what is left out, folder by folder."""

    def __init__(self, folder: Path, limits: StoreLimits) -> None:
        self._folder = folder
        self._limits = limits
        self._bytes = 0
        self._entries = 0
        self._rules_seconds = 0.0
        self._folded: dict[str, str] = {}
        self.files: dict[str, bytes] = {}
        self.left_out: list[LeftOut] = []

    def read_folder(self, descriptor: int, below: str, rules: tuple[_Rules, ...]) -> None:
        """Read one open folder.

        Args:
            below: Its path, ending with `/`, or "" for the top.
            rules: Of the folders above it, the top first.
        """
        # By descriptor, so that nobody can put a link where a folder was.
        with os.scandir(descriptor) as found:
            entries = sorted(islice(found, MOST_ENTRIES + 1), key=lambda entry: entry.name)
        if any(entry.name == IGNORE_NAME for entry in entries):
            rules = (*rules, *self._ignore_rules(descriptor, below))
        for entry in entries:
            self._entries += 1
            if self._entries > MOST_ENTRIES:
                raise self._too_much(f"more than {MOST_ENTRIES:,} entries")
            self._look_at(descriptor, below, entry, rules)

    def _look_at(
        self, descriptor: int, below: str, entry: os.DirEntry[str], rules: tuple[_Rules, ...]
    ) -> None:
        path = below + entry.name
        try:
            if entry.is_symlink():
                self._leave(path, "a link; links are not followed")
            elif entry.name == ".git":
                self._leave(path, "git's own")
            elif fault := _path_fault(path):
                self._leave(path, fault)
            elif self._ignored(path, entry.is_dir(follow_symlinks=False), rules):
                self._leave(path, f"ignored by {IGNORE_NAME}")
            elif entry.is_dir(follow_symlinks=False):
                inner = os.open(
                    entry.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor
                )
                try:
                    self.read_folder(inner, f"{path}/", rules)
                finally:
                    os.close(inner)
            elif not entry.is_file(follow_symlinks=False):
                self._leave(path, "no regular file")
            else:
                self._read_file(descriptor, entry.name, path)
        except OSError as error:
            self._leave(path, error.strerror or "cannot be read")

    def _read_file(self, folder: int, name: str, path: str) -> None:
        if (other := self._folded.get(fold_path(path))) is not None:
            self._leave(path, f"the store takes it and {other} for one file: names that differ in case only")
            return
        content = _content(folder, name, self._limits.file_bytes)
        if content is None:
            self._leave(path, "no regular file")
        elif len(content) > self._limits.file_bytes:
            self._leave(path, f"larger than {self._limits.file_bytes:,} bytes (key `store.file_bytes`)")
        elif _is_binary(content):
            self._leave(path, "no text in UTF-8")
        else:
            self._take(path, content)

    def _take(self, path: str, content: bytes) -> None:
        self._bytes += len(content)
        if self._bytes > self._limits.store_bytes:
            raise self._too_much(f"more than {self._limits.store_bytes:,} bytes (key `store.store_bytes`)")
        if len(self.files) == self._limits.store_files:
            raise self._too_much(f"more than {self._limits.store_files:,} files (key `store.store_files`)")
        self._folded[fold_path(path)] = path
        self.files[path] = content

    def _ignore_rules(self, folder: int, below: str) -> Iterator[_Rules]:
        try:
            content = _content(folder, IGNORE_NAME, IGNORE_BYTES)
        except OSError:
            # A link, or not ours to read; the entry itself is told below.
            return
        if content is None:
            return
        if len(content) > IGNORE_BYTES:
            self._leave(f"{below}{IGNORE_NAME}", f"its rules: more than {IGNORE_BYTES:,} bytes")
            return
        with self._counted(below):
            rules = _Rules(below, GitIgnoreSpec.from_lines(list(self._ignore_lines(content, below))))
        yield rules

    def _ignore_lines(self, content: bytes, below: str) -> Iterator[str]:
        """Those of a `.gitignore` that are applied."""
        count = 0
        for line in content.decode("utf-8", "replace").splitlines():
            line = re.sub(r"\*{3,}", "**", line)
            if not line.strip() or line.startswith("#"):
                continue
            count += 1
            if count > MOST_RULES:
                self._leave(
                    f"{below}{IGNORE_NAME}", f"its rules from {line[:60]!r} on: more than {MOST_RULES:,}"
                )
                return
            if len(re.findall(r"\*+|\?", line)) > MOST_STARS:
                self._leave(
                    f"{below}{IGNORE_NAME}", f"its rule {line[:60]!r}: more than {MOST_STARS} wildcards"
                )
                continue
            try:
                GitIgnoreSpec.from_lines([line])
            except ValueError:
                self._leave(f"{below}{IGNORE_NAME}", f"its rule {line[:60]!r}: no pattern")
                continue
            yield line

    def _ignored(self, path: str, is_folder: bool, rules: tuple[_Rules, ...]) -> bool:
        """The last rule that fits decides, those of the nearest folder last."""
        for one in reversed(rules):
            with self._counted(one.folder):
                file = path.removeprefix(one.folder) + ("/" if is_folder else "")
                decided = one.spec.check_file(file).include
            if decided is not None:
                return decided
        return False

    @contextmanager
    def _counted(self, folder: str) -> Iterator[None]:
        before = time.thread_time()
        yield
        self._rules_seconds += time.thread_time() - before
        if self._rules_seconds > RULES_SECONDS:
            raise ConfigError(
                f"--from {self._folder}: its {IGNORE_NAME} files take longer than {RULES_SECONDS:g} s",
                f"name a smaller folder, or shorten {folder}{IGNORE_NAME}",
            )

    def _leave(self, path: str, reason: str) -> None:
        self.left_out.append(LeftOut(path, reason))

    def _too_much(self, what: str) -> ConfigError:
        return ConfigError(
            f"--from {self._folder}: it holds {what}",
            f"raise the limit with -k, name a smaller folder, or list what is not needed in {IGNORE_NAME}",
        )


def _content(folder: int, name: str, most_bytes: int) -> bytes | None:
    """The bytes of a regular file, one more than `most_bytes` at most; None of anything else."""
    # Without blocking: a pipe that takes a file's name in between would wait for a writer.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, dir_fd=folder), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return None
        return file.read(most_bytes + 1)


def _path_fault(path: str) -> str:
    try:
        check_path(path)
    except (BadPath, UnicodeEncodeError) as error:
        return f"a name that no store takes: {error}"
    return ""


def _is_binary(content: bytes) -> bool:
    try:
        return "\0" in content.decode("utf-8")
    except UnicodeDecodeError:
        return True
