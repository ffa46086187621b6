"""`lmac doctor --model`: what a model's server honours, and a profile that fits it."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from lmac.assembly import embedded_server
from lmac.commands.terminal import terminal_json
from lmac.errors import ConfigError, ExitCode
from lmac.inputs import cache_folder, load_config, load_profile, resolve_key, resolve_weights
from lmac.models.findings import Finding, Probed, Verdict
from lmac.models.probe_calls import MOST_CALL_SECONDS, MOST_CALLS, ModelAddress
from lmac.models.probed_profile import fitting_profile, profile_yaml
from lmac.models.probing import probe
from lmac.models.profile import ModelProfile
from lmac.printable import printable


def examine_model(
    config_path: Path | None,
    overrides: Iterable[str],
    write_to: Path | None,
    as_json: bool,
    environment: Mapping[str, str],
) -> int:
    """Ask, tell, and write the profile if wished.

    A profile that does not fit its server is a fault of the configuration, unless a fitting one is written.

    Raises:
        ConfigError: of the profile, its key, or the file to write; nothing was asked.
        ModelError: the weights are not here, or the embedded server does not come up.
    """
    profile = load_profile(load_config(config_path, overrides).model)
    if write_to is not None:
        _require_writable(write_to)
    with _address(profile, environment) as address:
        where = address.base_url or "the client's own default address"
        calls = f"at most {MOST_CALLS} short calls"
        click.echo(printable(f"lmac: asking {profile.name} at {where}: {calls}"), err=True)
        probed = probe(profile, address)
    if write_to is not None and probed.stopped is None:
        _write(write_to, profile, probed)
    _tell(profile, probed, write_to, as_json)
    if probed.stopped is not None:
        return probed.stopped.exit_code
    return ExitCode.CONFIG if probed.contradictions and write_to is None else ExitCode.OK


@contextmanager
def _address(profile: ModelProfile, environment: Mapping[str, str]) -> Iterator[ModelAddress]:
    """Of the profile's server; of an embedded model, of a server that runs as long as the block."""
    seconds = min(profile.call_seconds, MOST_CALL_SECONDS)
    if profile.server is not None:
        key = resolve_key(profile, environment)
        yield ModelAddress(profile.server.base_url, profile.server.model, key, seconds)
        return
    weights = resolve_weights(profile, cache_folder(environment))
    # Removed only when the server came up: an error of its start names the log in it.
    folder = Path(tempfile.mkdtemp(prefix="lmac-doctor-"))
    with embedded_server(profile, weights, folder) as server:
        try:
            yield ModelAddress(server.base_url, server.model, server.api_key, seconds)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _require_writable(path: Path) -> None:
    if path.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"--write {path}: a model profile is a .yaml file", "name one")
    if os.path.lexists(path):
        raise ConfigError(f"--write {path}: it exists already", "name another file, or remove it")
    if not path.parent.is_dir():
        raise ConfigError(f"--write {path}: no such folder", "make the folder first")


def _write(path: Path, profile: ModelProfile, probed: Probed) -> None:
    """Write the fitting profile, and prove that it loads as what it is meant to be."""
    fitting = fitting_profile(profile, probed, _name_of(path, profile))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(profile_yaml(fitting, probed))
    except FileExistsError as error:
        raise ConfigError(f"--write {path}: it exists already", "name another file, or remove it") from error
    except OSError as error:
        raise ConfigError(f"--write {path}: {error.strerror}", "name another file") from error
    try:
        as_meant = load_profile(str(path)) == fitting
    except ConfigError:
        as_meant = False
    if not as_meant:
        path.unlink()
        raise ConfigError(f"--write {path}: the file would not load as what was found", "please report it")


def _name_of(path: Path, profile: ModelProfile) -> str:
    return path.stem if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", path.stem) else profile.name


def _tell(profile: ModelProfile, probed: Probed, write_to: Path | None, as_json: bool) -> None:
    written = write_to if probed.stopped is None else None
    if as_json:
        click.echo(terminal_json(_plain(profile, probed, written)))
        return
    for finding in probed.findings:
        _tell_finding(finding)
    if probed.stopped is not None:
        click.echo(f"BAD  {'model':<14} {printable(probed.stopped.message)}")
        click.echo(f"                    fix: {printable(probed.stopped.next_step)}")
    used = probed.usage
    click.echo(
        f"{probed.calls} calls; by the server's count {used.prompt_tokens:,} prompt tokens "
        f"({used.cached_tokens:,} of them cached) and {used.reply_tokens:,} reply tokens"
    )
    if written is not None:
        click.echo(f"written: {printable(str(written))}")


def _tell_finding(finding: Finding) -> None:
    mark = "BAD " if finding.contradicts else "ok  " if finding.verdict is Verdict.HONOURED else "warn"
    verdict = "" if finding.verdict is Verdict.HONOURED else f"{finding.verdict}: "
    click.echo(f"{mark} {finding.trait:<14} {verdict}{printable(finding.said)}")
    if finding.means:
        click.echo(f"                    {'fix' if finding.contradicts else 'profile'}: {finding.means}")


def _plain(profile: ModelProfile, probed: Probed, written: Path | None) -> dict[str, Any]:
    fitting = fitting_profile(profile, probed, profile.name) if probed.stopped is None else None
    stopped = probed.stopped
    return {
        "profile": profile.name,
        "findings": [
            {
                "trait": finding.trait,
                "verdict": finding.verdict,
                "said": finding.said,
                "means": finding.means,
                "contradicts": finding.contradicts,
            }
            for finding in probed.findings
        ],
        "calls": probed.calls,
        "prompt_tokens": probed.usage.prompt_tokens,
        "cached_tokens": probed.usage.cached_tokens,
        "reply_tokens": probed.usage.reply_tokens,
        "stopped": stopped and {"said": stopped.message, "fix": stopped.next_step},
        "fitting": fitting and fitting.model_dump(mode="json", exclude_none=True, exclude_defaults=True),
        "written": str(written) if written else None,
    }
