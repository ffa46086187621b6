"""The shipped checks of JavaScript, run for real on good files and on files that try to get round them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from check_stage import CheckStage, check_stage
from judged_boxes import judge_in, outcomes
from lmac.checks import AcceptanceForm
from lmac.config import RunConfig
from lmac.evaluation import CheckResult, Verdict
from lmac.inputs import load_checks
from lmac_sandbox import Ending, Engine, Keeper, Owner, StoreKind, StoreLimits, Volume, store_digest

pytestmark = [pytest.mark.engine, pytest.mark.slow]

SUM = "module.exports = (a, b) => a + b;\n"
HEAD = "const test = require('node:test');\nconst assert = require('node:assert');\n"
PASSING = f"{HEAD}const sum = require('./sum');\ntest('adds', () => assert.equal(sum(1, 2), 3));\n"
GOOD = {"sum.js": SUM, "sum.test.js": PASSING}


@pytest.fixture(scope="module")
def stage(engine: Engine, node_image_id: str) -> Iterator[CheckStage]:
    checks = load_checks(RunConfig(checks=("javascript",))).checks
    with check_stage(engine, node_image_id, checks) as made:
        yield made


def test_a_good_store_is_green_and_its_tests_are_a_claim(stage: CheckStage) -> None:
    suites = (
        "import { describe, it } from 'node:test';\n"
        "describe('group', () => { it('a', () => {}); it('b', async () => { await null; }); });\n"
    )
    report = stage.report({**GOOD, "test/more.mjs": suites})

    assert report.green, report
    syntax, tests = report.results
    assert (syntax.check, syntax.passed_count, syntax.claimed) == ("syntax", 3, False)
    assert (tests.check, tests.passed_count, tests.failed_count, tests.claimed) == ("tests", 3, 0, True)


def test_the_image_is_small(engine: Engine, node_image_id: str) -> None:
    assert engine.client.images.get(node_image_id).attrs["Size"] < 170_000_000


def test_a_suite_judges_its_programs_from_outside(engine: Engine, node_image_id: str) -> None:
    suite = """\
def test_a_sum(subject):
    done = subject.run("node", "main.js", "20", "22")
    assert (done.exit_code, done.stdout) == (0, "42\\n")

def test_another_answer(subject):
    assert subject.run("node", "main.js", "1", "1").stdout == "3\\n"
"""
    program = "console.log(require('./sum')(Number(process.argv[2]), Number(process.argv[3])));\n"
    owner = Owner.current(f"test-{secrets.token_hex(4)}")
    with (
        Volume.create(engine, owner, StoreLimits()) as volume,
        Keeper.start(engine, volume, node_image_id, owner, StoreLimits()) as keeper,
    ):
        judge = judge_in(engine, volume, keeper, node_image_id, owner)
        files = {"sum.js": SUM, "main.js": program}
        judged, result = judge(files, {"test_it.py": suite}, AcceptanceForm.COMMAND)

    assert outcomes(result) == {"test_a_sum": "passed", "test_another_answer": "failed"}, judged.findings
    assert (judged.verdict, judged.claimed) == (Verdict.FAILED, False)


def test_what_does_not_parse_is_named_and_nothing_else_runs(stage: CheckStage) -> None:
    report = stage.report({**GOOD, "lib/bad.mjs": "export const = 1;\n", "-e.js": "let x = 1;\n"})

    assert [result.check for result in report.results] == ["syntax"]
    assert report.results[0].verdict is Verdict.FAILED
    assert report.results[0].findings[0].where == "lib/bad.mjs:1"
    assert "SyntaxError" in report.results[0].findings[0].text


KINDS = {
    "a module by name": ({"a.mjs": "import x from 'y';\nawait x;\n"}, True),
    "a module by its package": ({"package.json": '{"type": "module"}', "lib/a.js": "export let a;\n"}, True),
    "the nearest package": (
        {"package.json": '{"type": "module"}', "lib/package.json": "{}", "lib/a.js": "export let a;\n"},
        False,
    ),
    "no module by name": ({"package.json": '{"type": "module"}', "a.cjs": "return;\n"}, True),
    "no module by default": ({"a.js": "export let a;\n"}, False),
    "a package of its own": (
        {"package.json": '{"type": "module"}', "node_modules/a.js": "return;\n"},
        True,
    ),
    "what a shell reads first": ({"a.js": "#!/usr/bin/node\nreturn;\n", "b.mjs": "#!/x\nlet b;\n"}, True),
    "a byte order mark": ({"a.js": "\ufefflet a;\n"}, True),
    "a broken package": ({"package.json": "{", "a.js": "let a;\n"}, False),
    "a function that ends early": ({"a.js": "}); process.exit(0); (() => {\n"}, False),
    "strict where modules are": ({"a.mjs": "with (a) {}\n"}, False),
    "deep nesting": ({"a.js": "[" * 200_000}, False),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_file_is_parsed_as_what_node_takes_it_for(stage: CheckStage, kind: str) -> None:
    files, parses = KINDS[kind]

    assert stage.result(files, "syntax").verdict is (Verdict.PASSED if parses else Verdict.FAILED)


def test_many_files_are_parsed_by_one_node(stage: CheckStage) -> None:
    result = stage.result({f"lib/m{number}.js": SUM for number in range(150)}, "syntax")

    assert (result.verdict, result.passed_count) == (Verdict.PASSED, 150)
    # A start of node for each file takes forty times as long.
    assert result.seconds < 8


def test_the_syntax_check_executes_nothing(stage: CheckStage) -> None:
    trap = "process.exit(1);\n"

    assert stage.result({**GOOD, "a.js": trap, "b.mjs": trap}, "syntax").verdict is Verdict.PASSED


def test_a_store_without_files_or_tests_is_nothing_to_judge(stage: CheckStage) -> None:
    assert stage.result({"a.txt": "x"}, "syntax").verdict is Verdict.NOTHING_TO_JUDGE
    assert stage.result({"sum.js": SUM}, "tests").verdict is Verdict.NOTHING_TO_JUDGE


NOT_PASSED = {
    "failing": ("test('a', () => assert.equal(1, 2));", "failed: a"),
    "throwing outside": ("test('a', () => {});\nthrow new Error('boom');", "boom"),
    "skipped": ("test('a', { skip: 'later' }, () => {});", "skipped: a"),
    "todo": ("test('a', { todo: true }, () => {});", "todo: a"),
    "skipped inside": ("test('a', (t) => { t.skip(); });", "skipped: a"),
    "exit before any": ("test('a', () => { process.exit(0); });\ntest('b', () => {});", "never run: b"),
    "left without a word": ("test('a', () => { process.reallyExit(0); });", "never run: a"),
    "killed": ("test('a', () => { process.kill(process.pid, 'SIGKILL'); });", "SIGKILL"),
    "never called": ("if (false) test('a', () => {});\ntest('b', () => {});", "never run: a"),
    "a second of one name": (
        "test('a', () => {});\nif (false) test('a', () => assert.fail('no'));",
        "never run: a",
    ),
    "promise without end": ("test('a', () => new Promise(() => {}));", "a"),
    "no test within": ("// only a comment", "without telling of a test"),
    "printed": ("console.log('TAP version 13\\nok 1 - a\\n1..1');", "without telling of a test"),
}


@pytest.fixture(scope="module")
def all_that_do_not_pass(stage: CheckStage) -> CheckResult:
    files = {f"{name.replace(' ', '_')}.test.js": f"{HEAD}{body}\n" for name, (body, _) in NOT_PASSED.items()}
    return stage.result({**GOOD, **files}, "tests")


@pytest.mark.parametrize("name", NOT_PASSED)
def test_a_test_that_did_not_pass_is_never_a_pass(all_that_do_not_pass: CheckResult, name: str) -> None:
    place, said = f"{name.replace(' ', '_')}.test.js", NOT_PASSED[name][1]
    own = [one for one in all_that_do_not_pass.findings if one.where.startswith(f"{place}:")]

    assert all_that_do_not_pass.verdict is Verdict.FAILED
    assert any(said in finding.text for finding in own if finding.blocking), all_that_do_not_pass.findings


def test_one_failing_file_is_enough(stage: CheckStage) -> None:
    body, said = NOT_PASSED["exit before any"]
    result = stage.result({**GOOD, "other.test.js": f"{HEAD}{body}\n"}, "tests")

    assert result.verdict is Verdict.FAILED
    assert any(said in finding.text for finding in result.findings), result.findings


def test_a_failing_test_is_found_in_any_folder(stage: CheckStage) -> None:
    for folder in ("node_modules/x", ".hidden", "build"):
        failing = f"{HEAD}test('bad', () => assert.fail('no'));\n"
        assert stage.result({**GOOD, f"{folder}/a.test.js": failing}, "tests").verdict is Verdict.FAILED


def test_scripts_and_options_of_the_store_have_no_effect(stage: CheckStage) -> None:
    package = '{"scripts": {"test": "exit 0", "pretest": "exit 0"}}'
    bad = f"{HEAD}test('bad', () => assert.fail('no'));\n"
    rc = "test-only=true\nnode-options=--test-name-pattern=good\n"
    files = {**GOOD, "package.json": package, ".npmrc": rc, ".noderc": rc, "bad.test.js": bad}

    assert stage.result(files, "tests").verdict is Verdict.FAILED


def test_a_test_process_gets_neither_the_pipe_nor_its_name(stage: CheckStage) -> None:
    # Both ends of node's own pipes are here; of an inherited one there would be a single end.
    body = (
        "const fs = require('node:fs');\n"
        "test('sees nothing', () => {\n"
        "  assert.equal(process.env.LMAC_EVENTS, undefined);\n"
        "  const ends = {};\n"
        "  for (const fd of fs.readdirSync('/proc/self/fd')) {\n"
        "    let place = '';\n"
        "    try { place = fs.readlinkSync(`/proc/self/fd/${fd}`); } catch { continue; }\n"
        "    if (fd > 2 && place.startsWith('pipe:')) (ends[place] ??= []).push(fd);\n"
        "  }\n"
        "  for (const fds of Object.values(ends)) assert.equal(fds.length, 2, fds);\n"
        "});\n"
    )
    assert stage.result({"a.test.js": f"{HEAD}{body}"}, "tests").verdict is Verdict.PASSED


KILLED_RUNNER = """\
const fs = require('node:fs');
const place = `/proc/${process.ppid}/fd`;
const lines = [{ type: 'test:pass', name: 'bad', file: __filename, line: 1 }, { type: 'end' }];
const text = lines.map((line) => `${JSON.stringify(line)}\\n`).join('');
const said = [];
for (const fd of fs.readdirSync(place)) {
  if (!fs.readlinkSync(`${place}/${fd}`).startsWith('socket:')) continue;
  try { fs.writeSync(fs.openSync(`${place}/${fd}`, 'w'), text); } catch (error) { said.push(error.code); }
}
"""


def test_a_test_process_cannot_open_the_channel_of_the_reports(stage: CheckStage) -> None:
    bad = f"{HEAD}{KILLED_RUNNER}test('bad', () => assert.fail(said.join()));\n"
    result = stage.result({"bad.test.js": bad}, "tests")

    assert result.verdict is Verdict.FAILED
    assert "ENXIO" in result.findings[0].text


def test_a_runner_that_a_test_kills_has_not_come_to_its_end(stage: CheckStage) -> None:
    bad = f"{HEAD}{KILLED_RUNNER}process.kill(process.ppid, 'SIGKILL');\ntest('bad', () => assert.fail());\n"
    result = stage.result({"bad.test.js": bad}, "tests")

    assert (result.verdict, result.passed_count) == (Verdict.BROKEN_OFF, 0)
    assert "exit code -9" in result.findings[0].text


def test_node_runs_under_the_default_limits(stage: CheckStage) -> None:
    body = (
        "const { Worker } = require('node:worker_threads');\n"
        "test('workers', async () => {\n"
        "  const one = () => new Promise((done) => {\n"
        "    new Worker('1 + 1', { eval: true }).on('exit', done);\n"
        "  });\n"
        "  assert.deepEqual(await Promise.all([one(), one(), one()]), [0, 0, 0]);\n"
        "});\n"
        "test('memory', () => { assert.equal(Buffer.alloc(64 << 20, 1).length, 64 << 20); });\n"
    )
    result = stage.result({"a.test.js": f"{HEAD}{body}"}, "tests")

    assert (result.verdict, result.ending) == (Verdict.PASSED, Ending.EXITED), result.findings


def test_a_memory_bomb_is_out_of_memory(stage: CheckStage) -> None:
    body = "const all = [];\ntest('bomb', () => { for (;;) all.push(Buffer.alloc(16 << 20, 1)); });\n"
    result = stage.result({"a.test.js": f"{HEAD}{body}"}, "tests")

    assert (result.verdict, result.ending) == (Verdict.BROKEN_OFF, Ending.OUT_OF_MEMORY)


def test_a_store_on_a_disk_belongs_to_the_keeper_of_this_image_too(
    engine: Engine, node_image_id: str, owner: Owner
) -> None:
    limits = StoreLimits(kind=StoreKind.DISK)
    with (
        Volume.create(engine, owner, limits) as volume,
        Keeper.start(engine, volume, node_image_id, owner, limits) as keeper,
    ):
        assert keeper.write("sum.js", SUM.encode()) == store_digest({"sum.js": SUM.encode()})
