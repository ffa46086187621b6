"""Checks of generated files: a job each, and a pure parser of its report."""

from __future__ import annotations

from lmac.checks.check import Check
from lmac.checks.lint import LintCheck
from lmac.checks.syntax import SyntaxCheck
from lmac.checks.tests import AcceptanceCheck, TestCheck

__all__ = ["AcceptanceCheck", "Check", "LintCheck", "SyntaxCheck", "TestCheck", "python_checks"]


def python_checks(lint: LintCheck, measures_coverage: bool = False) -> tuple[Check, ...]:
    """Syntax, lint and tests, in the order in which they run; what executes generated code comes last."""
    return (SyntaxCheck(), lint, TestCheck(measures_coverage=measures_coverage))
