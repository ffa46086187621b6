"""Where pip looks and how it gets there, and nothing else of what a user may have told it."""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from lmac_sandbox.errors import PackageUnavailable
from lmac_sandbox.host_tools import ended_tool

_SECONDS = 60.0
_SECTIONS = ("global", "install", "download", ":env:")
"""From the weakest to the strongest."""
_WHERE = ("index-url", "extra-index-url", "find-links", "no-index")
_HOW = ("cert", "client-cert", "proxy", "trusted-host", "default-timeout", "timeout", "retries")
_KEPT = (
    *("PATH", "HOME", "NETRC", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *(f"{name}_proxy" for name in ("http", "https", "all", "no")),
    *(f"{name}_PROXY" for name in ("HTTP", "HTTPS", "ALL", "NO")),
)
"""Of the environment: the way to an index, and who the user is there."""
_LINE = re.compile(r"([a-z:]+)\.([a-z-]+)=(.*)")
_USER_INFO = re.compile(r"//[^/\s@]+@")


def pip_environment(index_url: str | None, folder: Path) -> dict[str, str]:
    """The environment of a pip that takes wheels for generated code.

    An address may hold a password, so it is told here and not by an argument, which every user could read.

    Args:
        index_url: In place of the places that the user's own configuration of pip names.
        folder: Holds whatever pip needs for a while.

    Raises:
        PackageUnavailable: pip does not tell its configuration.
    """
    own = _own_settings(folder)
    names = _HOW if index_url else (*_HOW, *_WHERE)
    settings = {name: own[name] for name in names if name in own}
    if index_url:
        settings["index-url"] = index_url
    told = {f"PIP_{name.upper().replace('-', '_')}": value for name, value in settings.items()}
    return {**_kept(), **told, "PIP_CONFIG_FILE": os.devnull, "TMPDIR": str(folder), "LC_ALL": "C.UTF-8"}


def without_passwords(text: str) -> str:
    """The same, with the users and passwords of addresses taken out."""
    return _USER_INFO.sub("//", text)


def _own_settings(folder: Path) -> dict[str, str]:
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = ended_tool([sys.executable, "-m", "pip", "config", "list"], folder, environment, _SECONDS)
    if done.returncode != 0:
        raise PackageUnavailable(
            f"pip does not tell its configuration: {without_passwords(done.stderr.strip()[-200:])}",
            "see what `pip config debug` says",
        )
    found: dict[tuple[str, str], str] = {}
    for line in done.stdout.splitlines():
        if matched := _LINE.fullmatch(line):
            found[matched[1], matched[2]] = _value(matched[3])
    return {
        name: value for section in _SECTIONS for (told_in, name), value in found.items() if told_in == section
    }


def _value(written: str) -> str:
    """What pip prints as Python would."""
    try:
        return str(ast.literal_eval(written))
    except (ValueError, SyntaxError):
        return written


def _kept() -> Mapping[str, str]:
    return {name: os.environ[name] for name in _KEPT if name in os.environ}
