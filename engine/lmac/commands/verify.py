"""`lmac verify`."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from lmac.commands.show import run_folder
from lmac.commands.terminal import terminal_json
from lmac.printable import printable
from lmac.report.verifying import known_end, verify_run


@dataclass(frozen=True, slots=True)
class _Told:
    """What is said of a run that is as it was written."""

    run_id: str
    finished: bool
    events: int
    contents: int
    pack_bytes: int
    torn_line_bytes: int
    lost_pack_bytes: int
    seconds: float

    def in_words(self) -> str:
        what = f"{self.events} events and {self.contents} contents ({self.pack_bytes / 1e6:.1f} MB)"
        lines = [f"{self.run_id}: {what} are as they were written ({self.seconds:.2f} s)."]
        if self.torn_line_bytes:
            lines.append(
                f"A last line of {self.torn_line_bytes} bytes was not written whole: it is left out."
            )
        if self.lost_pack_bytes:
            lines.append(
                f"The last {self.lost_pack_bytes} bytes of contents are not whole: they are left out."
            )
        if not self.finished:
            lines.append(f"The run has not ended: what `lmac resume {self.run_id}` needs is there.")
        return "\n".join(map(printable, lines))


def show_verified(run: str, runs_folder: Path, as_json: bool) -> int:
    """Read all that is kept of a run, and say that it is as it was written."""
    folder = run_folder(run, runs_folder)
    started = time.monotonic()
    verified = verify_run(folder)
    end = known_end(folder)
    told = _Told(
        run_id=folder.name,
        finished=end is not None and end.events == len(verified.lines),
        events=len(verified.lines),
        contents=verified.contents,
        pack_bytes=verified.pack_bytes,
        torn_line_bytes=verified.torn_line_bytes,
        lost_pack_bytes=verified.lost_pack_bytes,
        seconds=round(time.monotonic() - started, 3),
    )
    click.echo(terminal_json(asdict(told)) if as_json else told.in_words())
    return 0
