"""`lmac run`."""

from __future__ import annotations

import json
import os
import re
import secrets
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

import click

from lmac.checks import AcceptanceForm
from lmac.commands.terminal import terminal_json
from lmac.config import RunConfig
from lmac.errors import ConfigError
from lmac.inputs import (
    cache_folder,
    demand_language,
    load_checks,
    load_config,
    load_profile,
    load_suite,
    load_suite_settings,
    load_task,
    resolve_image,
    resolve_key,
    resolve_weights,
)
from lmac.printable import reader_may_go
from lmac.program_file import load_program
from lmac.progress import progress_listener
from lmac.report.summary import render_summary
from lmac.run import RunOrder, execute
from lmac.transitions import MachineKind
from lmac_sandbox import Engine, require_isolation


def run_task(
    argument: str,
    config_path: Path | None,
    overrides: Iterable[str],
    acceptance: Path | None,
    run_id: str | None,
    machine: MachineKind,
    as_json: bool,
    environment: Mapping[str, str],
    program: Path | None = None,
) -> int:
    """Resolve everything, run, and say what came of it; returns the exit code."""
    config = load_config(config_path, overrides)
    order = _order(argument, config, acceptance, run_id, machine, environment, program)
    result = execute(order, progress_listener(order.folder.name, sys.stderr, as_json))
    said = terminal_json(json.loads(result.as_json())) if as_json else "\n" + render_summary(result)
    # Even if nobody reads it, the exit code is the run's.
    with reader_may_go(sys.stdout):
        click.echo(said)
    return result.exit_code


def _order(
    argument: str,
    config: RunConfig,
    acceptance: Path | None,
    run_id: str | None,
    machine: MachineKind,
    environment: Mapping[str, str],
    program: Path | None,
) -> RunOrder:
    given = load_task(argument)
    if program is not None and machine is not MachineKind.CONTROL_UNIT:
        raise ConfigError(
            f"--program: a baseline ({machine.value}) carries out no program", f"leave out --{machine.value}"
        )
    own_program = load_program(program, given.task) if program is not None else None
    suite_folder = acceptance or given.acceptance_folder
    suite = load_suite(suite_folder) if suite_folder else None
    form = config.acceptance.form
    if suite_folder and form is None:
        form = load_suite_settings(suite_folder).form
    profile = load_profile(config.model)
    api_key = resolve_key(profile, environment)
    folder = Path(config.runs_folder) / (_checked_id(run_id) if run_id else _new_id(given.task.name))
    if os.path.lexists(folder):
        raise ConfigError(f"{folder} exists already", "choose another --id, or remove it")
    demand_language(config)
    plan = load_checks(config)
    cache = cache_folder(environment)
    weights = resolve_weights(profile, cache)
    with Engine.connect(config.engine_url) as engine:
        require_isolation(engine, config.isolation)
        image_id = resolve_image(engine, plan.image, cache)
    return RunOrder(
        task=given.task,
        config=config,
        profile=profile,
        checks=plan.checks,
        image_id=image_id,
        folder=folder,
        weights=weights,
        api_key=api_key,
        acceptance=suite,
        acceptance_form=form or AcceptanceForm.API,
        machine=machine,
        program=own_program,
    )


def _new_id(task_name: str) -> str:
    return f"{task_name}-{datetime.now():%m%d-%H%M}-{secrets.token_hex(2)}"


def _checked_id(run_id: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", run_id):
        raise ConfigError(f"--id {run_id!r}: letters, digits, '_', '.' and '-' only, at most 100")
    return run_id
