"""`lmac replay`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import click

from lmac.commands.show import run_folder
from lmac.commands.terminal import terminal_json
from lmac.journal import Event
from lmac.printable import printable, reader_may_go
from lmac.progress import progress_listener
from lmac.recording.audit import Difference, Flaky, Found
from lmac.replaying import RecordingEnd, Replayed, replay

DETAIL_LINES = 60
"""Of one difference; `--json` has all that were kept."""
VALUE_CHARACTERS = 200


def replay_run(
    run: str,
    runs_folder: Path,
    on: str | None,
    keep_going: bool,
    as_json: bool,
    environment: Mapping[str, str],
) -> int:
    """Go through a run again and say whether it was the same; returns the exit code."""
    folder = run_folder(run, runs_folder)
    progress = progress_listener(folder.name, sys.stderr, as_json)

    def shown(event: Event) -> None:
        # It stands in the journal already, and is news to whoever watches.
        progress(replace(event, again=False))

    def told(found: Found) -> None:
        what = found.what.value if isinstance(found, Difference) else "flaky"
        with reader_may_go(sys.stderr):
            click.echo(f"lmac: event {found.seq} ({found.kind}): {what}", err=True)

    replayed = replay(folder, environment, on=on, keep_going=keep_going, listener=shown, found=told)
    said = terminal_json(_as_json(replayed)) if as_json else "\n" + render_replayed(replayed)
    with reader_may_go(sys.stdout):
        click.echo(said)
    return replayed.exit_code


def _as_json(replayed: Replayed) -> dict[str, object]:
    return {"result": _result(replayed), **asdict(replayed)}


def _result(replayed: Replayed) -> str:
    return "identical" if replayed.identical else "different"


def render_replayed(replayed: Replayed) -> str:
    """It for people: the result first, then what differs, then what was compared with what."""
    return printable("\n".join(_lines(replayed)), keep_newlines=True)


def _lines(replayed: Replayed) -> Iterator[str]:
    counts = (
        f"{replayed.events} events, {replayed.requests} requests, {replayed.verdicts} verdicts and "
        f"{replayed.answers} answers of programs compared"
    )
    if replayed.identical:
        but = ", but for what changes its mind" if replayed.flaky else ""
        yield f"identical{but}: {counts}"
    else:
        count = len(replayed.differences)
        yield f"different: {count} difference{'s' if count > 1 else ''}; {counts} up to there"
    for difference in replayed.differences:
        yield from _difference(difference)
    for flaky in replayed.flaky:
        yield from _flaky(flaky)
    if replayed.end is not RecordingEnd.RUN_CLOSED:
        yield f"The recording ends {replayed.end.value}; what came after that is not in it."
    if replayed.image_id != replayed.recorded_image_id:
        yield f"Executed on image {replayed.image_id}, recorded on {replayed.recorded_image_id}."
    if replayed.version != replayed.recorded_version:
        yield f"Replayed by LMAC {replayed.version}, recorded by {replayed.recorded_version}."
    yield f"{replayed.seconds:.1f} s, {replayed.box_seconds:.1f} s of them executing in boxes."


def _difference(difference: Difference) -> Iterator[str]:
    yield f"event {difference.seq} ({difference.kind}), {difference.what.value}: {difference.field}"
    if not difference.detail:
        yield f"  was {_cut(difference.recorded)}"
        yield f"  is  {_cut(difference.now)}"
    for line in difference.detail[:DETAIL_LINES]:
        yield f"  {line}"
    if (left := len(difference.detail) - DETAIL_LINES) > 0:
        yield f"  and {left} lines more: --json"


def _flaky(flaky: Flaky) -> Iterator[str]:
    yield f"event {flaky.seq} ({flaky.kind}), flaky: other outcomes for the same files"
    for change in flaky.changes:
        name = f"{change.aspect} {change.name}".strip() or "verdict"
        outcomes = [_cut(outcome.partition("\n")[0]) or "nothing" for outcome in change.outcomes]
        yield f"  {change.source}: {name}: recorded {outcomes[0]}; now {', '.join(outcomes[1:])}"


def _cut(text: str) -> str:
    return text if len(text) <= VALUE_CHARACTERS else f"{text[:VALUE_CHARACTERS]}..."
