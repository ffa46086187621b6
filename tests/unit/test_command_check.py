"""What a check says of a command's end and report: only what ran to its end and agrees with itself passes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from job_results import job_result, ran, text64, wrapped
from lmac.checks import CheckDefinition, CommandCheck
from lmac.errors import SandboxFailure
from lmac.evaluation import CheckResult, Finding, Verdict
from lmac_sandbox import Ending, JobResult, Output, Reuse


def check(**fields: Any) -> CommandCheck:
    plain = {"name": "mine", "command": ["/usr/bin/tool"], "files": ["*.x"], "parser": "sarif"}
    return CommandCheck(CheckDefinition.model_validate(plain | fields))


def sarif(*results: dict[str, object]) -> str:
    run = {"tool": {"driver": {"name": "t"}}, "results": results}
    return json.dumps({"version": "2.1.0", "runs": [run]})


def result(rule: str, level: str = "warning") -> dict[str, object]:
    return {"ruleId": rule, "level": level, "message": {"text": "said"}}


def broken(judged: CheckResult) -> bool:
    return (judged.verdict, judged.ending) == (Verdict.BROKEN_OFF, Ending.INCOMPLETE)


def test_a_report_without_faults_and_an_exit_that_agrees_is_a_pass() -> None:
    judged = check().judge(ran(sarif()))

    assert (judged.verdict, judged.findings, judged.claimed) == (Verdict.PASSED, (), True)


@pytest.mark.parametrize("exit_code", [1, 2, 101, 255])
def test_an_exit_code_without_a_fault_to_explain_it_is_incomplete(exit_code: int) -> None:
    judged = check().judge(ran(sarif(), exit_code=exit_code, stderr="panicked"))

    assert broken(judged)
    assert "panicked" in judged.findings[0].text


def test_an_exit_code_beyond_the_entry_s_own_is_incomplete_whatever_the_report_says() -> None:
    assert broken(check().judge(ran(sarif(result("r")), exit_code=3)))
    assert check(exit_codes=[0, 3]).judge(ran(sarif(result("r")), exit_code=3)).verdict is Verdict.FAILED


def test_faults_count_even_if_the_exit_code_knows_none() -> None:
    assert check().judge(ran(sarif(result("r")), exit_code=0)).verdict is Verdict.FAILED


@pytest.mark.parametrize(
    ("fields", "rule", "level", "blocking"),
    [
        ({}, "r", "warning", True),
        ({}, "r", "note", False),
        ({"severity": "advisory"}, "r", "error", False),
        ({"severity": "advisory", "rules": {"blocking": ["r"]}}, "r", "note", True),
        ({"severity": "advisory", "rules": {"blocking": ["r"]}}, "rr", "error", False),
        ({"rules": {"advisory": ["r"]}}, "r", "error", False),
        ({"rules": {"advisory": ["r"], "blocking": ["r"]}}, "r", "error", True),
    ],
)
def test_rules_stand_above_severity_and_the_tools_own_level(
    fields: dict[str, Any], rule: str, level: str, blocking: bool
) -> None:
    judged = check(**fields).judge(ran(sarif(result(rule, level))))

    assert judged.findings == (Finding("", f"{rule} said", blocking),)
    assert judged.verdict is (Verdict.FAILED if blocking else Verdict.PASSED)


def test_faults_beyond_those_that_are_kept_still_block() -> None:
    judged = check().judge(ran(sarif(*[result("r")] * 700)))

    assert (len(judged.findings), judged.failed_count) == (501, 700)
    assert judged.findings[-1] == Finding("", "and 200 more faults that have to go", True)


def test_no_flood_of_remarks_hides_what_blocks() -> None:
    rules = {"severity": "advisory", "rules": {"blocking": ["bad"]}}
    judged = check(**rules).judge(ran(sarif(*[result("r")] * 520, result("bad"))))

    assert (judged.verdict, judged.failed_count) == (Verdict.FAILED, 1)
    assert judged.findings[0] == Finding("", "bad said", True)
    assert judged.findings[-1] == Finding("", "and 21 more remarks", False)


def test_a_flood_of_remarks_blocks_nothing() -> None:
    judged = check(rules={"advisory": ["r"]}).judge(ran(sarif(*[result("r")] * 600)))

    assert (judged.verdict, judged.failed_count) == (Verdict.PASSED, 0)


@pytest.mark.parametrize(("rule", "verdict"), [("r", Verdict.PASSED), ("bad", Verdict.FAILED)])
def test_what_a_report_only_counts_is_worth_what_its_rule_is(rule: str, verdict: Verdict) -> None:
    own = check(command=[], program="text", files=["*.md"], parser="faults_json", rules={"advisory": ["r"]})
    judged = own.judge(job_result(json.dumps({"files": 1, "faults": [], "untold": {rule: 3}})))

    assert judged.verdict is verdict


def test_a_report_that_was_cut_is_incomplete() -> None:
    whole = sarif().encode()
    cut = Output(whole, whole, 10_000)
    judged = check().judge(JobResult(Ending.EXITED, 0, None, cut, Output(b"", b"", 0), (), 0.1, 0))

    assert broken(judged)


def test_options_that_the_tool_refuses_are_a_fault_of_the_entry() -> None:
    with pytest.raises(SandboxFailure, match="check mine is refused by its tool: no option --x") as error:
        check(usage_exit_codes=[2]).judge(ran(exit_code=2, stderr="no option --x"))
    assert "rules.mine" in error.value.next_step


def test_a_command_that_cannot_be_started_is_a_fault_of_the_entry() -> None:
    with pytest.raises(SandboxFailure, match="check mine cannot be started: no such file"):
        check().judge(job_result(ending=Ending.REJECTED, stderr="no such file"))
    with pytest.raises(SandboxFailure, match="check mine cannot be started: /usr/bin/tool: No such file"):
        check().judge(job_result(exit_code=127, stderr="/usr/bin/tool: No such file or directory"))


def test_files_are_counted_and_none_are_nothing_to_judge() -> None:
    required, optional = check(), check(optional=True)

    assert required.judge(wrapped(0)).verdict is Verdict.NOTHING_TO_JUDGE
    assert required.judge(wrapped(0)).awaits == "there is no file *.x"
    assert optional.judge(wrapped(0)).verdict is Verdict.NOT_APPLICABLE
    assert optional.judge(wrapped(1, {"stdout": text64(sarif())})).verdict is Verdict.PASSED
    assert optional.judge(wrapped(1, {"stdout": text64(sarif(result("r")))})).verdict is Verdict.FAILED


def test_one_run_a_file_names_the_files_that_failed() -> None:
    each = check(command=["/usr/bin/tool", "{file}"], each_file=True, files=["*.js"], parser="exit_code")
    judged = each.judge(
        wrapped(2, {"path": "a.js"}, {"path": "b.js", "exit_code": 1, "stderr": text64("bad")})
    )

    assert (judged.verdict, judged.passed_count) == (Verdict.FAILED, 1)
    assert judged.findings == (Finding("b.js", "bad"),)


@pytest.mark.parametrize(
    "answer",
    [
        job_result("no files"),
        job_result('{"files": 0, "runs": []}', exit_code=1),
        job_result('{"files": true}'),
        wrapped("1"),
        wrapped(1, {"exit_code": "0"}),
        wrapped(1, {"exit_code": -9}),
        wrapped(1, {"stdout": "%%%"}),
        wrapped(1, {"stdout": text64(sarif()), "cut": True}),
        wrapped(1, {"stdout": text64(sarif()), "cut": None}),
        wrapped(1, {}),
        wrapped(1),
        job_result(sarif()),
    ],
)
def test_a_strange_answer_of_the_program_between_is_no_pass(answer: JobResult) -> None:
    judged = check(optional=True).judge(answer)

    assert judged.verdict not in (Verdict.PASSED, Verdict.NOT_APPLICABLE)


def test_a_shipped_tools_word_is_no_claim() -> None:
    assert not check(reuse=Reuse.RUN).judge(ran(sarif())).claimed


def test_rules_files_and_reports_have_their_places_in_the_command() -> None:
    plain = check(command=["t", "--select={rules}"], rules={"blocking": ["a"], "advisory": ["b"]})
    report = check(command=["t", "-o", "{report}"])

    assert json.loads(plain.job().argv[-1])["command"] == ["t", "--select=a,b"]
    assert json.loads(report.job().argv[-1]) == {
        "files": ["*.x"],
        "command": ["t", "-o", "{report}"],
        "each_file": False,
        "report": True,
    }
