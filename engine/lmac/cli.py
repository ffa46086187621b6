"""The command line: arguments, environment, exit codes. A command imports what it needs when it is called."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar

import click

from lmac import __version__
from lmac.errors import ExitCode, LmacError
from lmac.printable import printable, reader_may_go
from lmac.redaction import without_noted

F = TypeVar("F", bound=Callable[..., Any])

INTERRUPTING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a polite kill, a closed terminal."""

ENGINE_HELP = "Address of the Docker engine. [default: DOCKER_HOST, or else /var/run/docker.sock]"


def config_options(command: F) -> F:
    """`-c` and `-k`, the same for every command that reads a run config."""
    command = click.option(
        "-k",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help="Override one key of the config, such as -k box.wall_seconds=20. May be repeated.",
    )(command)
    return click.option(
        "-c",
        "--config",
        "config_path",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Run config (YAML). Without it the defaults of configs/default.yaml hold.",
    )(command)


runs_folder_option = click.option(
    "--runs-folder", default="runs", show_default=True, help="Where runs are kept."
)


json_option = click.option("--json", "as_json", is_flag=True, help="Results as JSON on stdout.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="lmac")
def cli() -> None:
    """One task text in, a tested codebase or book out; every check runs in a container.

    \b
    First time:      lmac setup
    A run:           lmac run "Write a module roman.py that converts Roman numerals, with tests"
    What came of it: lmac show RUN, lmac report RUN
    After a crash:   lmac resume RUN
    Was it so?       lmac replay RUN
    Trouble:         lmac doctor

    Exit codes: 0 ok, 1 checks failed, 2 configuration, 3 budget, 4 model, 5 sandbox, 70 a fault of LMAC,
    130 interrupted.
    """


@cli.command()
@click.argument("task")
@config_options
@click.option("--acceptance", type=click.Path(path_type=Path), metavar="DIR", help="Your own pytest suite.")
@click.option(
    "--from",
    "start_from",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Start from the files of this folder; what passes there has to go on passing.",
)
@click.option("--id", "run_id", metavar="NAME", help="Name of the run and its folder; made up without it.")
@click.option(
    "--program", type=click.Path(path_type=Path), metavar="FILE", help="Your own program (YAML, or a list)."
)
@click.option(
    "--steps", type=click.IntRange(1, 200), help="Longest program; the same as -k most_instructions=N."
)
@click.option("--single-shot", is_flag=True, help="One call without the machine: a baseline to compare to.")
@click.option("--loop", is_flag=True, help="A plain edit-and-run loop without the machine: another baseline.")
@click.option("--cache", is_flag=True, help="Take kept replies to the same requests, and keep new ones.")
@json_option
def run(
    task: str,
    config_path: Path | None,
    overrides: tuple[str, ...],
    acceptance: Path | None,
    start_from: Path | None,
    run_id: str | None,
    program: Path | None,
    steps: int | None,
    single_shot: bool,
    loop: bool,
    cache: bool,
    as_json: bool,
) -> int:
    """Carry out TASK: a text of several words, a file, or a folder with task.md and acceptance/.

    \b
    Examples:
      lmac run configs/tasks/stack-queue
      lmac run notes.md -k model=openai -k machine.turns=20
      lmac run "Write a module that parses cron lines, with tests" --acceptance my-tests/
      lmac run "Add a function that undoes the last change, with tests" --from my-project/
      lmac run configs/tasks/harbour-book -c configs/tasks/harbour-book/config.yaml
      lmac run configs/tasks/url-shortener --program my-program.yaml
      lmac run "Write sums.js with add(a, b), and tests" -k 'checks=[javascript]'
      lmac run configs/tasks/stack-queue --cache
    """
    from lmac.commands.run import run_task
    from lmac.inputs import load_config, load_task, with_reply_cache
    from lmac.ordering import Wish
    from lmac.transitions import MachineKind

    if steps is not None:
        overrides = (*overrides, f"most_instructions={steps}")
    if single_shot and loop:
        raise click.UsageError("--single-shot and --loop are two baselines: name one")
    machine = MachineKind.SINGLE_SHOT if single_shot else MachineKind.CONTROL_UNIT
    machine = MachineKind.LOOP if loop else machine
    config = load_config(config_path, overrides)
    config = with_reply_cache(config, os.environ) if cache else config
    wish = Wish(load_task(task), config, acceptance, start_from, run_id, machine, program)
    return run_task(wish, as_json, os.environ)


@cli.command()
@click.argument("run")
@runs_folder_option
@json_option
def show(run: str, runs_folder: str, as_json: bool) -> int:
    """Show what came of RUN, by its id or its folder.

    \b
    Example:
      lmac show stack-queue-1122-1630-4f2a
    """
    from lmac.commands.show import show_run

    return show_run(run, Path(runs_folder), as_json)


@cli.command("resume")
@click.argument("run")
@runs_folder_option
@click.option(
    "--allow-drift",
    "allowed_drift",
    multiple=True,
    metavar="PART",
    help="Go on although this part of run.lock, such as image, differs from what the run began with. "
    "May be repeated.",
)
@json_option
def resume_command(run: str, runs_folder: str, allowed_drift: tuple[str, ...], as_json: bool) -> int:
    """Carry RUN on where it stopped, by its id or its folder.

    After a kill, a power cut, a full disk, Ctrl-C, a model or an engine that failed. Nothing is paid or
    judged twice: what the journal holds is taken from it. A call of the model that was under way is made
    again, and counts. Config, prompts, suites and files are those that the run began with; the server's key
    is read from the environment again, and sent only where a profile of yours sends it, too.

    What a stopped run has delivered, its files/, is delivered anew: copy what you changed there before.
    A finished run is left as it is (exit code 0); the exit codes are those of `lmac run` otherwise.

    \b
    Example:
      lmac resume stack-queue-1122-1630-4f2a
    """
    from lmac.commands.resume import resume_run

    return resume_run(run, Path(runs_folder), allowed_drift, as_json, os.environ)


@cli.command("list")
@runs_folder_option
@json_option
def list_(runs_folder: str, as_json: bool) -> int:
    """List the runs of the runs folder, the latest first.

    \b
    Examples:
      lmac list
      lmac list --json
    """
    from lmac.commands.listing import list_runs

    return list_runs(Path(runs_folder), as_json)


@cli.command()
@click.argument("run")
@click.option("--follow", "-f", "follows", is_flag=True, help="Go on until the run ends.")
@runs_folder_option
@click.option("--json", "as_json", is_flag=True, help="JSON lines instead of lines for people.")
def logs(run: str, follows: bool, runs_folder: str, as_json: bool) -> int:
    """Print what happened in RUN, a line an event, from its journal.

    \b
    Examples:
      lmac logs stack-queue-1122-1630-4f2a
      lmac logs stack-queue-1122-1630-4f2a --follow --json
    """
    from lmac.commands.logs import show_logs

    return show_logs(run, Path(runs_folder), follows, as_json)


@cli.command()
@click.argument("run")
@runs_folder_option
@click.option("--json", "as_json", is_flag=True, help="JSON lines instead of a display.")
def watch(run: str, runs_folder: str, as_json: bool) -> int:
    """Follow RUN, which another process carries out, until it ends; the exit code is the run's.

    \b
    Example:
      lmac watch stack-queue-1122-1630-4f2a
    """
    from lmac.commands.logs import watch_run

    return watch_run(run, Path(runs_folder), as_json)


@cli.command()
@click.argument("run")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where to write it. [default: report.html in the run's folder]",
)
@click.option(
    "--open",
    "opens",
    type=click.Choice(["yes", "no"]),
    help="Show it in the browser. [default: yes on a terminal with a desktop]",
)
@runs_folder_option
def report(run: str, output: Path | None, opens: str | None, runs_folder: str) -> int:
    """Write one HTML file that tells RUN: outcome, program, every turn, checks, tokens, files.

    It fetches nothing and can be passed on as it is. It holds what the run's task, replies and files hold.

    \b
    Examples:
      lmac report stack-queue-1122-1630-4f2a
      lmac report stack-queue-1122-1630-4f2a -o /tmp/stack-queue.html --open no
    """
    from lmac.commands.report import write_report

    # A browser without a desktop would take the terminal.
    has_desktop = sys.stdout.isatty() and any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return write_report(run, Path(runs_folder), output, has_desktop if opens is None else opens == "yes")


@cli.command()
@click.argument("run")
@click.argument("path", required=False)
@runs_folder_option
@json_option
def files(run: str, path: str | None, runs_folder: str, as_json: bool) -> int:
    """List the files of RUN, or print the one at PATH.

    \b
    Examples:
      lmac files stack-queue-1122-1630-4f2a
      lmac files stack-queue-1122-1630-4f2a stack_queue.py
    """
    from lmac.commands.files import show_files

    return show_files(run, path, Path(runs_folder), as_json)


@cli.command()
@click.argument("run")
@click.option(
    "--as",
    "form",
    type=click.Choice(["dir", "tar", "zip", "git"]),
    default="dir",
    show_default=True,
    help="A folder, an archive, or a git repository with one commit an instruction.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="PATH",
    help="A new place; nothing is replaced. A tar whose name ends in .gz is compressed.",
)
@runs_folder_option
def export(run: str, form: Literal["dir", "tar", "zip", "git"], output: Path, runs_folder: str) -> int:
    """Write the files of RUN to a place of yours.

    \b
    Examples:
      lmac export stack-queue-1122-1630-4f2a -o stack-queue
      lmac export stack-queue-1122-1630-4f2a --as git -o stack-queue
      lmac export stack-queue-1122-1630-4f2a --as tar -o stack-queue.tar.gz
    """
    from lmac.commands.export import export_run

    return export_run(run, Path(runs_folder), form, output)


@cli.command("replay")
@click.argument("run")
@click.option("--runs-folder", default="runs", show_default=True, help="Where runs are kept.")
@click.option(
    "--on", metavar="IMAGE", help="Execute in this image (name or id). [default: the one that RUN had]"
)
@click.option(
    "--keep-going", is_flag=True, help="List all differences that can be gone past, not the first one only."
)
@json_option
def replay_command(run: str, runs_folder: str, on: str | None, keep_going: bool, as_json: bool) -> int:
    """Do RUN again from its recording, by its id or its folder, and say whether it is the same.

    The recorded replies go to the control unit once more: no model is started, no key is needed, nothing is
    paid, and nothing of RUN is written. Every request has to be the recorded one, every check and program is
    executed again in boxes, and every event, store digest and verdict is compared.

    Identical: exit code 0. Different: exit code 1, and the first event that differs (prompt, reply, verdict,
    store, decision), with how. A verdict that differs is executed up to three times more; what does not come
    out alike then is named flaky, and is no difference: identical but for flaky tests is exit code 0. A run
    that was stopped or killed is compared as far as its recording goes.

    \b
    Examples:
      lmac replay stack-queue-1122-1630-4f2a
      lmac replay stack-queue-1122-1630-4f2a --on python --keep-going
    """
    from lmac.commands.replay import replay_run

    return replay_run(run, Path(runs_folder), on, keep_going, as_json, os.environ)


@cli.command()
@click.argument("run_a", metavar="RUN")
@click.argument("run_b", metavar="RUN")
@click.option("--runs-folder", default="runs", show_default=True, help="Where runs are kept.")
@click.option("--stat", is_flag=True, help="Files by size and digest only, without their lines.")
@json_option
def diff(run_a: str, run_b: str, runs_folder: str, stat: bool, as_json: bool) -> int:
    """Compare two runs: what they stand on, programs, verdicts, files, tokens and cost.

    Exits with 0 when they are the same, with 1 when they differ. Time, cost and what a server had in its
    prompt cache are shown and do not count.

    \b
    Examples:
      lmac diff stack-queue-1122-1630-4f2a stack-queue-1123-0911-77c0
      lmac diff before after --stat
    """
    from lmac.commands.diff import diff_runs

    return diff_runs(run_a, run_b, Path(runs_folder), stat, as_json)


@cli.command()
@click.argument("run")
@click.option("--runs-folder", default="runs", show_default=True, help="Where runs are kept.")
@json_option
def verify(run: str, runs_folder: str, as_json: bool) -> int:
    """Hold all that is kept of RUN against its digests; a changed or missing line or byte is named.

    `show` does the same without reading the contents; `resume` does it before it goes on. The exit code is 2
    when something is not as it was written.

    \b
    Example:
      lmac verify stack-queue-1122-1630-4f2a
    """
    from lmac.commands.verify import show_verified

    return show_verified(run, Path(runs_folder), as_json)


@cli.command()
@config_options
def setup(config_path: Path | None, overrides: tuple[str, ...]) -> int:
    """Fetch and build what a run with this config needs: the sandbox image and the model's weights.

    \b
    Examples:
      lmac setup
      lmac setup -k model=smollm2-135m
    """
    from lmac.commands.setup import set_up

    return set_up(config_path, overrides, os.environ)


@cli.command()
@config_options
@click.option(
    "--model", "ask_model", is_flag=True, help="Ask the model's server what it honours: a few calls."
)
@click.option(
    "--write",
    "write_to",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With --model: write a model profile (YAML) that fits what was found; no file is overwritten.",
)
@json_option
def doctor(
    config_path: Path | None,
    overrides: tuple[str, ...],
    ask_model: bool,
    write_to: Path | None,
    as_json: bool,
) -> int:
    """Check engine, image, model and disk; each fault comes with its fix.

    With --model, and instead: what the model's server honours (tool calls, JSON schema, stop, seed, usage,
    cached tokens, context, temperature, the reply limit's name), in at most 18 short calls.

    \b
    Examples:
      lmac doctor -c my-config.yaml
      lmac doctor --model -k model=local-server
      lmac doctor --model -k model=my-server.yaml --write found.yaml
    """
    if ask_model:
        from lmac.commands.model_doctor import examine_model

        return examine_model(config_path, overrides, write_to, as_json, os.environ)
    if write_to is not None:
        raise click.UsageError("--write goes with --model")
    from lmac.commands.doctor import examine

    return examine(config_path, overrides, as_json, os.environ)


@cli.command()
@click.option("--engine", "engine_url", metavar="URL", help=ENGINE_HELP)
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="Also remove what runs of that other machine own here, LIVING ONES TOO. May be repeated.",
)
@json_option
def clean(engine_url: str | None, hosts: tuple[str, ...], as_json: bool) -> int:
    """Remove containers and volumes that dead runs of this machine left; runs and caches stay.

    Images with packages for generated code go where no run stands on them and this cache has not used them
    for 30 days. What other machines own on a shared engine is named and left alone, unless --host names them.

    \b
    Examples:
      lmac clean
      lmac clean --host build-7
    """
    from lmac.commands.clean import clean_engine

    return clean_engine(engine_url, hosts, as_json, os.environ)


@cli.command("batch")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--retry", is_flag=True, help="Carry out once more what came to a bad end.")
@click.option("--dry-run", is_flag=True, help="Check all, print the jobs and what they take at most.")
@click.option(
    "--batches-folder",
    type=click.Path(path_type=Path),
    default="batches",
    show_default=True,
    help="Where batches are kept.",
)
@json_option
def batch(file: Path, retry: bool, dry_run: bool, batches_folder: Path, as_json: bool) -> int:
    """Carry out the jobs of FILE (YAML) side by side: tasks, times a matrix, times seeds.

    All of it is checked before anything starts. The same command again goes on where it stopped, after
    Ctrl-C, a kill or a power cut: finished jobs are not repeated, failed ones only with --retry, those that
    a model's server or the engine broke off by themselves. Results lie in batches/NAME/results.jsonl, the
    runs beside it. Ctrl-C ends runs under way with what they have, a second one at once.

    The exit code is that of the worst job, 70 before 5, 4, 3 and 1; 3 when the batch's budget is spent;
    130 after Ctrl-C.

    \b
    Examples:
      lmac batch configs/batches/turns-and-seeds.yaml --dry-run
      lmac batch overnight.yaml
      lmac batch overnight.yaml --retry
    """
    from lmac.commands.batch import BatchChoice, run_batch

    return run_batch(BatchChoice(file, batches_folder, retry, dry_run, as_json), os.environ)


@cli.command("schema")
@click.argument("name", type=click.Choice(["batch", "config", "profile"]), default="batch")
def schema(name: str) -> int:
    """Print the JSON Schema of a batch file, a run config or a model profile, for editors.

    \b
    Example:
      lmac schema batch > batch.schema.json
    """
    from lmac.commands.schema import print_schema

    return print_schema(name)


@cli.group()
def sandbox() -> None:
    """What generated code is confined by."""


@sandbox.command("policy")
@config_options
@json_option
def sandbox_policy(config_path: Path | None, overrides: tuple[str, ...], as_json: bool) -> int:
    """Print the whole isolation policy of a run with this config; no engine is needed.

    \b
    Examples:
      lmac sandbox policy
      lmac sandbox policy -k box.pids=32 --json
    """
    from lmac.commands.sandbox import show_policy

    return show_policy(config_path, overrides, as_json)


@cli.group()
def bench() -> None:
    """Measure the machine beside other ways to use the same model.

    \b
    Examples:
      lmac bench humaneval --conditions single,lmac --limit 20 --sample 7
      lmac bench systems --seeds 1,2,3 --background
      lmac bench status
      lmac bench report
    """


def bench_options(command: F) -> F:
    """What every bench takes."""
    options = (
        click.option("--conditions", metavar="A,B", help="Of the suite's YAML; all of them without it."),
        click.option("--seeds", default="1", show_default=True, metavar="N,N", help="One item for each."),
        click.option("--limit", type=click.IntRange(min=1), help="The first N problems only."),
        click.option(
            "--sample", type=int, metavar="SEED", help="Problems in an order by chance, of that seed."
        ),
        click.option("--tokens", type=click.IntRange(min=1), help="Budget of conditions at equal tokens."),
        results_option,
        click.option(
            "--background", is_flag=True, help="Run on when this command and its terminal are gone."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return config_options(command)


results_option = click.option(
    "--results",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where results are kept. [default: configs/bench/results]",
)


@bench.command("humaneval")
@bench_options
def bench_humaneval(**options: Any) -> int:
    """Measure on the 164 problems of HumanEval, judged by their human-written tests in boxes.

    \b
    Example:
      lmac bench humaneval --limit 20 --sample 7
    """
    return _bench("humaneval", **options)


@bench.command("systems")
@bench_options
def bench_systems(**options: Any) -> int:
    """Measure on the system-design tasks, judged by their acceptance suites.

    \b
    Example:
      lmac bench systems --conditions single-n,lmac --seeds 1,2,3
    """
    return _bench("systems", **options)


@bench.command("report")
@click.argument("suites", nargs=-1)
@results_option
@json_option
def bench_report(suites: tuple[str, ...], results: Path | None, as_json: bool) -> int:
    """Tables of what was measured: rates, pairs, intervals, costs."""
    from lmac.commands.bench import report_bench

    return report_bench(suites, results, as_json)


@bench.command("status")
@click.argument("suites", nargs=-1)
@results_option
def bench_status(suites: tuple[str, ...], results: Path | None) -> int:
    """Which benches run, and how far they are."""
    from lmac.commands.bench import bench_status as status

    return status(suites, results)


def _bench(suite: str, conditions: str | None, seeds: str, overrides: tuple[str, ...], **options: Any) -> int:
    from lmac.commands.bench import BenchChoice, run_bench

    names = tuple(filter(None, (conditions or "").split(",")))
    try:
        numbers = tuple(map(int, seeds.split(",")))
    except ValueError as error:
        raise click.UsageError(f"--seeds {seeds}: numbers with commas between them") from error
    return run_bench(
        BenchChoice(suite, conditions=names, seeds=numbers, overrides=overrides, **options), os.environ
    )


@cli.group()
def images() -> None:
    """Build, pin, prove and keep sandbox images.

    \b
    Examples:
      lmac images list
      lmac images build python-web
      lmac images save python python.tar
    """


engine_option = click.option("--engine", "engine_url", metavar="URL", help=ENGINE_HELP)


@images.command("build")
@click.argument("name", default="python")
@engine_option
def images_build(name: str, engine_url: str | None) -> int:
    """Build image NAME from its lock and load it into the engine; prints its id.

    \b
    Example:
      lmac images build python
    """
    from lmac.commands.images import build

    return build(name, engine_url, os.environ)


@images.command("lock")
@click.argument("name", default="python")
@engine_option
def images_lock(name: str, engine_url: str | None) -> int:
    """Resolve the packages of image NAME anew, write its lock, and show what changed.

    The lock is replaced last and at once: whoever stops this before leaves it as it was.

    \b
    Example:
      lmac images lock python
    """
    from lmac.commands.images import lock

    return lock(name, engine_url, os.environ)


@images.command("list")
@engine_option
@json_option
def images_list(engine_url: str | None, as_json: bool) -> int:
    """Shipped images: what configs name, their ids, and whether they are built and in the engine.

    \b
    Example:
      lmac images list
    """
    from lmac.commands.images import list_images

    return list_images(engine_url, as_json, os.environ)


@images.command("verify")
@click.argument("image", default="python")
@engine_option
@json_option
def images_verify(image: str, engine_url: str | None, as_json: bool) -> int:
    """Prove layer by layer that the engine's IMAGE (a name or an id) is what its lock gives.

    It is built anew from the locked packages, the engine's is read back, and files that differ are named.
    An id that no lock here gives is held against itself alone. The exit code is 5 when something differs.

    \b
    Example:
      lmac images verify python
    """
    from lmac.commands.images import verify

    return verify(image, engine_url, as_json, os.environ)


@images.command("prune")
@click.argument("names", nargs=-1)
@click.option("--keep", "kept", multiple=True, metavar="ID", help="An image that stays. May be repeated.")
@click.option("--dry-run", is_flag=True, help="Remove nothing, and say what would go.")
@engine_option
@json_option
def images_prune(
    names: tuple[str, ...], kept: tuple[str, ...], dry_run: bool, engine_url: str | None, as_json: bool
) -> int:
    """Remove images that LMAC built and that no lock here gives any more; of NAMES, or all of them.

    Images of others, those with a name that somebody gave them, and those that a container stands on stay.
    Archives of older builds in the cache go, too; packages stay, since mirrors may have dropped them.
    Without NAMES also what generated code asked for: images that no run stands on, and wheels, that were not
    used for 30 days. A run that asks for the same again fetches it again.
    An old run can be replayed only on its image: keep that, or save it first.

    \b
    Examples:
      lmac images prune --dry-run
      lmac images prune python
    """
    from lmac.commands.images import prune

    return prune(names, kept, dry_run, engine_url, as_json, os.environ)


@images.command("save")
@click.argument("image")
@click.argument("file", type=click.Path(path_type=Path))
@engine_option
def images_save(image: str, file: Path, engine_url: str | None) -> int:
    """Keep IMAGE (a name or an id) as an archive, for the day when mirrors have dropped its packages.

    \b
    Example:
      lmac images save python python.tar
    """
    from lmac.commands.images import save

    return save(image, file, engine_url, os.environ)


@images.command("load")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--id", "image_id", metavar="ID", help="The archive has to hold this image; no lock is asked.")
@engine_option
def images_load(file: Path, image_id: str | None, engine_url: str | None) -> int:
    """Load an image from an archive, once its layers are those that the lock names; prints its id.

    The archive takes the place of the locked packages: LMAC's own layer is made anew, so that one from an
    older LMAC will do as long as the lock is the same.

    \b
    Examples:
      lmac images load python.tar
      lmac images load old.tar --id sha256:...
    """
    from lmac.commands.images import load

    return load(file, image_id, engine_url, os.environ)


def main() -> NoReturn:
    """The entry point of the console script."""
    for interrupting in INTERRUPTING:
        # What starts a command with nohup wants it to outlive the terminal.
        if interrupting is not signal.SIGHUP or signal.getsignal(interrupting) is not signal.SIG_IGN:
            signal.signal(interrupting, _interrupt)
    sys.exit(exit_code_of(lambda: cli.main(standalone_mode=False)))


def exit_code_of(command: Callable[[], Any]) -> int:
    """Run a command and turn whatever stops it into a message and an exit code."""
    from lmac_sandbox import SandboxError

    try:
        code = command()
        return int(code) if isinstance(code, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return ExitCode.CONFIG
    except (KeyboardInterrupt, click.Abort):
        _complain("interrupted", "")
        return ExitCode.INTERRUPTED
    except LmacError as error:
        _complain(error.message, error.next_step)
        return error.exit_code
    except SandboxError as error:
        _complain(error.message, error.next_step or "run `lmac doctor`")
        return ExitCode.SANDBOX
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception:
        _say(traceback.format_exc().rstrip())
        _complain("this is a fault of LMAC, not of yours", "please report it with the lines above")
        return ExitCode.FAULT


def _complain(message: str, next_step: str) -> None:
    _say(f"lmac: {message}")
    if next_step:
        _say(f"  next: {next_step}")


def _say(lines: str) -> None:
    """To stderr. Messages quote servers, programs and files of others."""
    with reader_may_go(sys.stderr):
        click.echo(printable(without_noted(lines), keep_newlines=True), err=True)


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    # A second one would cut the cleaning up short, and leave a volume; each step of it has its own deadline.
    for interrupting in INTERRUPTING:
        signal.signal(interrupting, signal.SIG_IGN)
    raise KeyboardInterrupt
