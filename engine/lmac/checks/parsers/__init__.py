"""Parsers of reports: pure functions from a tool's bytes to what it said. Adding a form is adding one."""

from __future__ import annotations

from collections.abc import Mapping

from lmac.checks.definition import ParserName
from lmac.checks.parsers.exit_code import parse_exit_code
from lmac.checks.parsers.faults_json import parse_faults_json
from lmac.checks.parsers.junit_xml import parse_junit_xml
from lmac.checks.parsers.node_events import parse_node_events
from lmac.checks.parsers.ruff_json import parse_ruff_json
from lmac.checks.parsers.sarif import parse_sarif
from lmac.checks.said import Parser

PARSERS: Mapping[ParserName, Parser] = {
    ParserName.EXIT_CODE: parse_exit_code,
    ParserName.FAULTS_JSON: parse_faults_json,
    ParserName.JUNIT_XML: parse_junit_xml,
    ParserName.NODE_EVENTS: parse_node_events,
    ParserName.RUFF_JSON: parse_ruff_json,
    ParserName.SARIF: parse_sarif,
}
"""All but `pytest_events`, whose session speaks over a pipe of its own: `lmac.checks.tests`."""

__all__ = ["PARSERS"]
