"""A run as one HTML file: nothing is fetched, and nothing in it that others wrote is ever executed.

The page's own script and style are named by their hash in its content security policy, so no other can run
or apply. What others wrote is escaped where it stands in the markup, or is data that the script puts into
text nodes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmac.report.chronicle import Chronicle
from lmac.report.chronicle.reading import read_chronicle
from lmac.report.page.charts import bands, check_lanes, tokens_lane, window_lane
from lmac.report.page.details import FileTold, files_told, packed_details
from lmac.report.page.facts import costs_so_far, facts, state, title
from lmac.report.page.program import requirements, steps
from lmac.report.page.shown_text import bounded, brief, visible
from lmac.report.page.timeline import groups
from lmac.report.page.verdicts import last_reports, turned
from lmac.report.page.words import short_number, span_of_time
from lmac.report.result import told_result

if TYPE_CHECKING:
    from jinja2 import Template


def report_page(folder: Path) -> str:
    """The page of a run, ended or not.

    Raises:
        ConfigError: the folder holds no journal, or one that was changed.
    """
    chronicle = read_chronicle(folder)
    result = told_result(folder)
    files = files_told(chronicle)
    data, left_out = packed_details(chronicle, files)
    script, style = _own("page.js"), _own("page.css")
    costs = costs_so_far(chronicle)
    return _template().render(
        policy=_policy(script, style),
        script=script,
        style=style,
        data=data,
        left_out=left_out,
        run=chronicle,
        title=title(chronicle),
        facts=facts(chronicle, result, costs),
        state=state(chronicle, result),
        result=result,
        requirements=requirements(chronicle, result),
        steps=steps(chronicle),
        lanes=(bands(chronicle), *check_lanes(chronicle)),
        window=window_lane(chronicle.calls),
        tokens=tokens_lane(chronicle.calls, costs),
        cost=costs[-1] if costs else None,
        groups=groups(chronicle),
        turned=turned(chronicle),
        last=last_reports(chronicle),
        files=[_file_row(file, chronicle) for file in files],
        settings=_settings(chronicle),
    )


def _own(name: str) -> str:
    return (package_files("lmac.report.page") / name).read_text("utf-8")


def _policy(script: str, style: str) -> str:
    return (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Whatever is printed, by whomever it was written.
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    environment.filters |= {
        "brief": brief,
        "bounded": bounded,
        "number": lambda value: f"{value:,}",
        "short": short_number,
        "span": span_of_time,
        "own": Markup,
    }
    return environment.from_string(_own("page.html.j2"))


def _file_row(file: FileTold, chronicle: Chronicle) -> dict[str, Any]:
    blob = chronicle.contents.find(file.versions[-1].content) or b""
    return {
        "path": file.path,
        "is_there": file.is_there,
        "bytes": len(blob),
        "lines": len(blob.splitlines()),
        "versions": len(file.versions),
        "call": file.versions[-1].call,
    }


def _settings(chronicle: Chronicle) -> str:
    given = {"config": chronicle.config, "profile": chronicle.profile}
    return bounded(json.dumps(given, indent=2, ensure_ascii=False))
