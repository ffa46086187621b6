"""The check that a definition describes: a job, and a verdict from what its parser read."""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from lmac.checks.check import broken_off
from lmac.checks.definition import (
    RULES_PLACE,
    TESTS_PARSERS,
    CheckDefinition,
    ParserName,
    Program,
    Severity,
)
from lmac.checks.parsers import PARSERS
from lmac.checks.parsers.json_report import json_of
from lmac.checks.said import MOST_FINDINGS, Ran, Said, Told, Unreadable, words_of
from lmac.errors import SandboxFailure
from lmac.evaluation import CheckResult, Finding, Verdict
from lmac_sandbox import Ending, Job, JobResult, Reuse

CANNOT_START = 127
"""By which `matching` says that there is no such command."""
_AWAITED: Mapping[Program | None, str] = {
    Program.SYNTAX: "there is no file *.py",
    Program.NODE_SYNTAX: "there is no file *.js, *.mjs or *.cjs",
    Program.NODE_TESTS: "there are none; call test(...) of node:test in a file named ....test.js",
}
"""What programs that know their files themselves wait for."""


@dataclass(frozen=True, slots=True)
class CommandCheck:
    """Runs a command of the image or one of our programs, and reads its report."""

    definition: CheckDefinition
    is_at_end: bool = False
    """Whether the last instruction is judged: `rules.at_end` block then."""

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def gates(self) -> bool:
        return self.definition.gates

    @property
    def reuse(self) -> Reuse:
        return self.definition.reuse

    def job(self) -> Job:
        definition = self.definition
        if definition.program is Program.TEXT:
            options = definition.options.model_dump() if definition.options else {}
            return self._own_job("text", {"files": definition.files, **options})
        if definition.program is not None:
            return self._own_job(definition.program.value)
        order: dict[str, object] = {"files": definition.files or ("*",), "command": self._command()}
        order |= {"each_file": definition.each_file, "report": definition.writes_report}
        return self._own_job("matching", order)

    def judge(self, result: JobResult) -> CheckResult:
        if result.ending is not Ending.EXITED:
            if result.ending is Ending.REJECTED:
                # The image's fault or the entry's, never the model's: it could correct nothing.
                raise self._wrong_entry("cannot be started", result.stderr.text())
            return broken_off(self.name, result)
        try:
            said = [self._read(ran) for ran in self._runs(result)]
        except Unreadable as error:
            return self._incomplete(result, str(error))
        return self._judged(result, said)

    def _command(self) -> tuple[str, ...]:
        own = self.definition.rules
        rules = ",".join((*own.blocking, *own.advisory, *own.at_end))
        return tuple(argument.replace(RULES_PLACE, rules) for argument in self.definition.command)

    def _own_job(self, program: str, order: Mapping[str, object] | None = None) -> Job:
        """One of our programs in the image; its order is its only argument."""
        arguments = () if order is None else (json.dumps(order),)
        return Job.own(program, arguments, wall_seconds=self.definition.wall_seconds)

    def _runs(self, result: JobResult) -> list[Ran]:
        """The runs of the tool that `matching` tells of, none without a file; of our own programs the one."""
        stdout, stderr = (stream.head + stream.tail for stream in (result.stdout, result.stderr))
        ran = Ran(result.exit_code or 0, stdout, stderr, bool(result.stdout.tail))
        if self.definition.program is not None:
            return [ran]
        if ran.exit_code == CANNOT_START:
            raise self._wrong_entry("cannot be started", words_of(ran, 300))
        match json_of(ran):
            case {"files": int(files), "runs": list(runs)} if ran.exit_code == 0:
                wanted = files if self.definition.each_file else min(files, 1)
                if len(runs) == wanted and not isinstance(files, bool):
                    return [_ran(one) for one in runs]
        raise Unreadable(f"the program that runs the command told nothing of it (exit code {ran.exit_code})")

    def _read(self, ran: Ran) -> Said:
        definition = self.definition
        if ran.exit_code in definition.usage_exit_codes:
            raise self._wrong_entry("is refused by its tool", words_of(ran, 300))
        if definition.parser is ParserName.EXIT_CODE:
            return PARSERS[definition.parser](ran)
        allowed = (0,) if definition.program is not None else definition.exit_codes
        if ran.exit_code not in allowed:
            raise Unreadable(f"exit code {ran.exit_code}\n{words_of(ran)}")
        said = PARSERS[definition.parser](ran)
        if ran.exit_code != 0 and not said.told:
            raise Unreadable(f"exit code {ran.exit_code} without a finding\n{words_of(ran)}")
        return said

    def _judged(self, result: JobResult, said: list[Said]) -> CheckResult:
        found = [self._finding(one, result) for each in said for one in each.told]
        found.sort(key=lambda finding: not finding.blocking)
        untold = Counter(finding.blocking for finding in found[MOST_FINDINGS:])
        for each in said:
            for rule, count in each.untold.items():
                untold[self._blocks(Told("", rule, ""))] += count
        findings = (*found[:MOST_FINDINGS], *_and_more(untold))
        failed = sum(finding.blocking for finding in found[:MOST_FINDINGS]) + untold[True]
        judged = CheckResult(
            self.name,
            Verdict.FAILED if failed else Verdict.PASSED,
            result.ending,
            findings,
            sum(each.passed for each in said),
            failed,
            counts_tests=self.definition.parser in TESTS_PARSERS,
            seconds=result.seconds,
            # A tool that may run generated code, or be steered by it, passes on that code's word.
            claimed=self.reuse is Reuse.SINGLE_USE,
        )
        if failed or any(each.judged is None or each.judged > 0 for each in said):
            return judged
        absent = Verdict.NOT_APPLICABLE if self.definition.optional else Verdict.NOTHING_TO_JUDGE
        return replace(judged, verdict=absent, awaits=self._awaits())

    def _awaits(self) -> str:
        program = self.definition.program
        if program in _AWAITED:
            return _AWAITED[program]
        return f"there is no file {' or '.join(self.definition.files) or 'with a test'}"

    def _finding(self, one: Told, result: JobResult) -> Finding:
        text = f"{one.rule} {one.text}" if one.rule and not one.text.startswith(one.rule) else one.text
        if self.reuse is Reuse.SINGLE_USE:
            # Generated code has a say in it, and may tell who it runs as.
            text = result.same_for_all_boxes(text)
        return Finding(one.where, text, self._blocks(one))

    def _blocks(self, one: Told) -> bool:
        """The longest rule that fits decides; of equal ones the blocking one."""
        by_prefix = self.definition.parser is ParserName.RUFF_JSON
        rules = self.definition.rules
        late = ((), rules.at_end) if not self.is_at_end else (rules.at_end, ())
        blocking = _fit(one.rule, (*rules.blocking, *late[0]), by_prefix)
        advisory = _fit(one.rule, (*rules.advisory, *late[1]), by_prefix)
        if blocking or advisory:
            return blocking >= advisory
        return self.definition.severity is Severity.BLOCKING and not one.remark

    def _incomplete(self, result: JobResult, reason: str) -> CheckResult:
        broken = broken_off(self.name, result, Ending.INCOMPLETE)
        return replace(broken, findings=(Finding("", f"incomplete: {reason}"), *broken.findings))

    def _wrong_entry(self, what: str, words: str) -> SandboxFailure:
        said = f": {words.strip()[-300:]}" if words.strip() else ""
        return SandboxFailure(
            f"check {self.name} {what}{said}", f"correct the check's entry, `rules.{self.name}`, or the image"
        )


def _and_more(untold: Counter[bool]) -> Iterator[Finding]:
    """What is only counted: what blocks by itself, since nothing shall pass by being many."""
    for blocks, what in ((True, "faults that have to go"), (False, "remarks")):
        if untold[blocks]:
            yield Finding("", f"and {untold[blocks]} more {what}", blocks)


def _fit(rule: str, rules: tuple[str, ...], by_prefix: bool) -> int:
    """Length of the longest rule that fits; 0 for none."""
    return max((len(one) for one in rules if (rule.startswith(one) if by_prefix else rule == one)), default=0)


def _ran(one: object) -> Ran:
    match one:
        case {"path": str(path), "exit_code": int(code), "stdout": str(out), "stderr": str(err), **rest}:
            if not 0 <= code <= 255:
                raise Unreadable(f"the command was ended by signal {-code}")
            try:
                stdout, stderr = base64.b64decode(out, validate=True), base64.b64decode(err, validate=True)
            except (binascii.Error, ValueError) as error:
                raise Unreadable("the program that runs the command told no base64") from error
            return Ran(code, stdout, stderr, rest.get("cut") is not False, path)
        case _:
            raise Unreadable("the program that runs the command told something else")
