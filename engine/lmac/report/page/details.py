"""What a page shows once it is asked for: requests, replies, findings and files, as data for its script."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass

from lmac.report.chronicle import CallTold, Chronicle, ReportTold
from lmac.report.chronicle.file_history import Change
from lmac.report.page.pool import Pool
from lmac.report.page.shown_text import brief, visible

MOST_TEXT_BYTES = 32 * 2**20
"""Of all texts, for a browser's sake."""
MOST_PACKED_BYTES = 3_600_000
"""Of a page's data; with the rest 500 turns stay under 5 MB."""
PATH_CHARACTERS = 200
NOTE_CHARACTERS = 600


@dataclass(frozen=True, slots=True)
class Version:
    """One state of a file."""

    call: int
    """After which it stood; 0: from the start."""
    content: str
    """Its digest; "" when it was deleted."""


@dataclass(frozen=True, slots=True)
class FileTold:
    """One file with all that it ever held."""

    path: str
    versions: tuple[Version, ...]

    @property
    def is_there(self) -> bool:
        """Whether it was delivered."""
        return bool(self.versions[-1].content)


def files_told(chronicle: Chronicle) -> tuple[FileTold, ...]:
    """Every file that there ever was, those that were delivered first."""
    versions: dict[str, list[Version]] = {}
    for number, change in _changes(chronicle):
        found = versions.setdefault(change.path, [])
        if found and found[-1].call == number:
            # What stood for a moment within one call is shown with that call.
            found.pop()
        found.append(Version(number, change.after))
    files = [
        FileTold(path, tuple(found)) for path, found in versions.items() if any(v.content for v in found)
    ]
    return tuple(sorted(files, key=lambda file: (not file.is_there, file.path)))


def _changes(chronicle: Chronicle) -> Iterable[tuple[int, Change]]:
    for change in chronicle.start:
        yield 0, change
    for call in chronicle.calls:
        for change in call.changes:
            yield call.number, change


def packed_details(chronicle: Chronicle, files: Iterable[FileTold]) -> tuple[str, int]:
    """The data, packed into characters that end no script element, and how many texts were left out."""
    files, most_bytes = tuple(files), MOST_TEXT_BYTES
    while True:
        details = _Details(chronicle, files, most_bytes)
        packed = base64.b64encode(gzip.compress(details.as_json().encode(), 6, mtime=0)).decode()
        if len(packed) <= MOST_PACKED_BYTES or not details.text_bytes:
            return packed, details.left_out
        # What is left out last packs no better than the rest.
        most_bytes = int(details.text_bytes * min(MOST_PACKED_BYTES / len(packed), 1) * 0.9)


class _Details:
    """Collects the data of a page."""

    def __init__(self, chronicle: Chronicle, files: tuple[FileTold, ...], most_text_bytes: int) -> None:
        self._chronicle = chronicle
        self._files = files
        self._pool = Pool(chronicle.contents, most_text_bytes)
        self._admit()
        self._calls = [self._call(call) for call in chronicle.calls]
        self._shown_files = [
            [_path(file.path), [[each.call, self._pool.kept(each.content)] for each in file.versions]]
            for file in files
        ]

    @property
    def left_out(self) -> int:
        """Texts for which there was no room."""
        return self._pool.left_out

    @property
    def text_bytes(self) -> int:
        return self._pool.bytes

    def as_json(self) -> str:
        shown = {"calls": self._calls, "files": self._shown_files, "texts": self._pool.texts}
        return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))

    def _admit(self) -> None:
        """Give room to the texts in the order of their worth, should there be too little."""
        calls = self._chronicle.calls
        for file in self._files:
            self._pool.admit_kept(file.versions[-1].content)
        for call in calls:
            self._pool.admit_kept(call.reply)
        for call in calls:
            for check in (check for report in call.reports for check in report.checks):
                for finding in check.findings:
                    self._pool.admit(finding.text)
        for file in self._files:
            for version in file.versions:
                self._pool.admit_kept(version.content)

    def _call(self, call: CallTold) -> dict[str, object]:
        pool = self._pool
        shown: dict[str, object] = {
            "n": call.number,
            "m": [
                [brief(each.role, 20), pool.kept(each.text), pool.kept(each.calls)] for each in call.messages
            ],
            "r": pool.kept(call.reply),
            "d": [
                [
                    visible(brief(action.name, 40)),
                    _path(action.path),
                    visible(action.words),
                    action.ok,
                    pool.kept(action.text),
                    self._changed(action.changes),
                ]
                for action in call.actions
            ],
        }
        if call.kept:
            shown |= {"a": call.after, "k": call.kept}
        if call.reply_calls:
            shown["c"] = pool.kept(call.reply_calls)
        if call.reports:
            shown["v"] = [
                [visible(report.kind), report.green, self._findings(report)] for report in call.reports
            ]
        if call.notes:
            shown["o"] = [
                [visible(note.kind), visible(brief(note.text, NOTE_CHARACTERS))] for note in call.notes
            ]
        if call.other_changes:
            shown["x"] = self._changed(call.other_changes)
        return shown

    def _changed(self, changes: Iterable[Change]) -> list[list[object]]:
        kept = self._pool.kept
        return [[_path(each.path), kept(each.before), kept(each.after)] for each in changes]

    def _findings(self, report: ReportTold) -> list[list[object]]:
        return [
            [
                visible(brief(check.name, 80)),
                check.light.value,
                visible(brief(check.words, 200)),
                [
                    [_path(finding.where), self._pool.text(finding.text), finding.blocking]
                    for finding in check.findings
                ],
            ]
            for check in report.checks
        ]


def _path(path: str) -> str:
    return visible(brief(path, PATH_CHARACTERS)) if path else ""
