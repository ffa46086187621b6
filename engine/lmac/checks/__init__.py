"""Checks of generated files: each is data, a job for a box, and a pure parser of its report."""

from __future__ import annotations

from lmac.checks.acceptance import AcceptanceCheck, AcceptanceForm, SuiteSettings
from lmac.checks.check import Check
from lmac.checks.command_check import CommandCheck
from lmac.checks.definition import CheckDefinition, CheckSet, Rules, Severity
from lmac.checks.sets import CheckPlan, NamedSet, described, plan_checks
from lmac.checks.standing import NOT_THERE, StandingSuite
from lmac.checks.tests import TestCheck

__all__ = [
    "NOT_THERE",
    "AcceptanceCheck",
    "AcceptanceForm",
    "Check",
    "CheckDefinition",
    "CheckPlan",
    "CheckSet",
    "CommandCheck",
    "NamedSet",
    "Rules",
    "Severity",
    "StandingSuite",
    "SuiteSettings",
    "TestCheck",
    "described",
    "plan_checks",
]
