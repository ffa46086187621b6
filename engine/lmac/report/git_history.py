"""A run as a git repository: one commit an instruction. Its objects are written as data, git never runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lmac.disk import full_disk_named
from lmac.printable import printable
from lmac.report.chronicle import Chronicle, Light, StepTold
from lmac.report.export import write_folder
from lmac.report.files_of_run import contents_of, files_of_run

if TYPE_CHECKING:
    from dulwich.repo import Repo

SUBJECT_CHARACTERS = 72
BODY_CHARACTERS = 8000
TRAILER_CHARACTERS = 200
BRANCH = b"main"
FILE_MODE = 0o100644


@dataclass(frozen=True, slots=True)
class Stage:
    """One commit to be."""

    files: Mapping[str, bytes]
    subject: str
    body: str
    trailers: tuple[tuple[str, str], ...]
    at: datetime


def write_repository(chronicle: Chronicle, folder: Path, run_folder: Path) -> int:
    """Make a repository of the run with its last files checked out; returns the number of commits.

    Raises:
        ConfigError: files cannot be told, or have paths that no store holds; nothing was written.
        FileExistsError: the folder exists.
        HostDiskFull: no room for it.
    """
    from dulwich.repo import Repo

    stages = _stages(chronicle, files_of_run(run_folder))
    with full_disk_named(folder):
        write_folder(sorted(stages[-1].files.items()), folder)
        with Repo.init(str(folder), default_branch=BRANCH) as repository:
            parent: bytes | None = None
            for stage in stages:
                parent = _commit(repository, stage, parent, chronicle.model)
            _index(repository, folder, stages[-1].files)
    return len(stages)


def _stages(chronicle: Chronicle, final: Mapping[str, bytes]) -> list[Stage]:
    stages: list[Stage] = []
    run = ("LMAC-Run", chronicle.run_id)
    if chronicle.start:
        given = {change.path: change.after for change in chronicle.start if change.after}
        told = f"{len(given)} files that the run was given."
        at = moment_of(chronicle.opened_at)
        stages.append(Stage(contents_of(chronicle, given), "Start", told, (run,), at))
    ended = [step for step in chronicle.steps if step.files_after is not None]
    for step in sorted(ended, key=lambda step: (step.last_call, step.number)):
        stages.append(_stage_of(step, chronicle, run))
    if not stages or stages[-1].files != final:
        outcome = chronicle.outcome or "not ended"
        at = moment_of(chronicle.closed_at)
        trailers = (run, ("LMAC-Outcome", outcome))
        stages.append(Stage(final, f"As delivered: {outcome}", _first_line(chronicle.task), trailers, at))
    return stages


def _stage_of(step: StepTold, chronicle: Chronicle, run: tuple[str, str]) -> Stage:
    reports = [
        report for report in chronicle.reports if report.call <= step.last_call and report.kind == "report"
    ]
    checks = ", ".join(f"{check.name} {check.words}" for check in reports[-1].checks) if reports else ""
    green = bool(reports) and reports[-1].light is Light.GREEN
    trailers = (
        run,
        ("LMAC-Instruction", f"{step.number} of {len(chronicle.steps)}"),
        ("LMAC-End", step.end + (f": {step.reason}" if step.reason else "")),
        *((("LMAC-Checks", f"{'green' if green else 'red'}: {checks}"),) if checks else ()),
        *((("LMAC-Store", reports[-1].store_digest),) if reports else ()),
    )
    files = contents_of(chronicle, step.files_after or {})
    # What the subject says whole is not said again.
    text = "" if step.text == _line(step.text, SUBJECT_CHARACTERS) else step.text
    body = "\n\n".join(filter(None, (text, step.summary)))
    return Stage(files, _first_line(step.text), body, trailers, moment_of(step.ended_at))


def _commit(repository: Repo, stage: Stage, parent: bytes | None, model: str) -> bytes:
    from dulwich.index import commit_tree
    from dulwich.objects import Blob, Commit, ObjectID
    from dulwich.refs import Ref

    entries = []
    for path, content in sorted(stage.files.items()):
        blob = Blob.from_string(content)
        repository.object_store.add_object(blob)
        entries.append((path.encode(), blob.id, FILE_MODE))
    commit = Commit()
    commit.tree = commit_tree(repository.object_store, entries)
    commit.parents = [ObjectID(parent)] if parent else []
    # An author is one line, and ends at the first bracket.
    name = "".join(char for char in _line(model, 60) if char not in "<>")
    commit.author = commit.committer = f"LMAC with {name or 'a model'} <lmac@localhost>".encode()
    commit.author_time = commit.commit_time = max(int(stage.at.timestamp()), 0)
    commit.author_timezone = commit.commit_timezone = 0
    commit.encoding = b"UTF-8"
    commit.message = _message(stage).encode()
    repository.object_store.add_object(commit)
    repository.refs[Ref(b"refs/heads/" + BRANCH)] = commit.id
    return commit.id


def _index(repository: Repo, folder: Path, files: Mapping[str, bytes]) -> None:
    """Tell git that what is checked out is what was committed."""
    from dulwich.index import index_entry_from_stat
    from dulwich.objects import Blob

    index = repository.open_index()
    for path, content in sorted(files.items()):
        found = (folder / path).lstat()
        index[path.encode()] = index_entry_from_stat(found, Blob.from_string(content).id, mode=FILE_MODE)
    index.write()


def _message(stage: Stage) -> str:
    """Subject, text, and trailers as the last paragraph: that one alone is read as such, and it is ours."""
    body = printable(stage.body[:BODY_CHARACTERS].replace("\r\n", "\n"), keep_newlines=True).strip()
    trailers = "\n".join(f"{key}: {_line(value, TRAILER_CHARACTERS)}" for key, value in stage.trailers)
    parts = [
        _line(stage.subject, SUBJECT_CHARACTERS) or "An instruction",
        *([body] if body else []),
        trailers,
    ]
    return "\n\n".join(parts) + "\n"


def _first_line(text: str) -> str:
    return next((line.strip().lstrip("# ") for line in text[:10_000].splitlines() if line.strip()), "")


def _line(text: str, most: int) -> str:
    line = printable(" ".join(text[: 4 * most].split()))
    return line if len(line) <= most else f"{line[: most - 1]}…"


def moment_of(at: str) -> datetime:
    """A journal's time; the beginning of time for what is none."""
    try:
        moment = datetime.fromisoformat(at)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError):
        return datetime.fromtimestamp(0, UTC)
