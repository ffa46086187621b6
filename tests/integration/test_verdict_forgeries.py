"""Test suites that want a pass without deserving it, run for real; each is seen and named."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from lmac.checks import TestCheck
from lmac.checks.session import judge_session
from lmac.evaluation import CheckResult, Verdict
from lmac_sandbox import Ending, Engine, Job, Keeper, Limits, Owner, Pool, StoreLimits, Volume

pytestmark = [pytest.mark.engine, pytest.mark.slow]

GOOD = "def test_good(): assert sum([1, 2]) == 3\n"
BAD = "def test_bad(): assert sum([1]) == 2\n"


@dataclass(frozen=True, slots=True)
class Forgery:
    """One suite, and what must be said of it."""

    name: str
    files: Mapping[str, str]
    where: str
    """Of a finding that blocks."""
    said: str
    """Within that finding's text."""
    verdict: Verdict = Verdict.FAILED
    ending: Ending = Ending.EXITED


def conftest(name: str, source: str, said: str, tests: str = BAD) -> Forgery:
    return Forgery(name, {"conftest.py": source, "test_a.py": GOOD + tests}, "conftest.py", said)


def leaves(name: str, files: Mapping[str, str], where: str, said: str) -> Forgery:
    return Forgery(name, files, where, said, Verdict.BROKEN_OFF, Ending.INCOMPLETE)


NEVER_RAN = "expected by reading the file, never ran"

FORGERIES = (
    leaves(
        "os._exit in a test",
        {"test_a.py": "import os\ndef test_a(): os._exit(0)\n"},
        "test_a.py:2",
        "os._exit",
    ),
    leaves(
        "os._exit in a conftest",
        {"conftest.py": "import os\nos._exit(0)\n", "test_a.py": BAD},
        "conftest.py:2",
        "os._exit",
    ),
    leaves("sys.exit at import", {"test_a.py": "import sys\nsys.exit(0)\n" + BAD}, "session", "test_a.py:2"),
    leaves(
        "sys.exit at import of a module",
        {"m.py": "import sys\nsys.exit(0)\n", "test_a.py": "import m\n" + BAD},
        "session",
        "m.py:2",
    ),
    conftest(
        "hidden by a hook",
        "def pytest_collection_modifyitems(items): items[:] = items[:1]\n",
        "pytest_collection_modifyitems",
    ),
    conftest(
        "deselected by a hook",
        "def pytest_collection_modifyitems(items, config):\n"
        " config.hook.pytest_deselected(items=items[1:]); items[:] = items[:1]\n",
        "changes session",
    ),
    conftest(
        "results rewritten by a wrapper",
        "import pytest\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_makereport(item, call):\n"
        " outcome = yield\n outcome.get_result().outcome = 'passed'\n",
        "pytest_runtest_makereport",
    ),
    conftest(
        "failures swallowed by a wrapper",
        "import pytest\n@pytest.hookimpl(wrapper=True)\ndef pytest_pyfunc_call(pyfuncitem):\n"
        " try:\n  return (yield)\n except BaseException:\n  return True\n",
        "pytest_pyfunc_call",
    ),
    conftest("tests never called", "def pytest_pyfunc_call(pyfuncitem): return True\n", "pytest_pyfunc_call"),
    conftest(
        "exit code rewritten",
        "def pytest_sessionfinish(session): session.exitstatus = 0\n",
        "pytest_sessionfinish",
    ),
    conftest("the session replaced", "def pytest_cmdline_main(config): return 0\n", "pytest_cmdline_main"),
    conftest(
        "options changed",
        "def pytest_configure(config): config.option.keyword = 'good'\n",
        "pytest_configure",
    ),
    conftest("plugins loaded", "pytest_plugins = ['hooks']\n", "hooks", tests=""),
    Forgery(
        "a file ignored",
        {"conftest.py": "collect_ignore = ['test_b.py']\n", "test_a.py": GOOD, "test_b.py": BAD},
        "test_b.py::test_bad",
        NEVER_RAN,
    ),
    Forgery(
        "a hook from another file",
        {
            "conftest.py": "from hooks import *\n",
            "test_a.py": GOOD + BAD,
            "hooks.py": "def pytest_collection_modifyitems(items): items[:] = items[:1]\n",
        },
        "hooks.py:1",
        "pytest_collection_modifyitems",
    ),
    Forgery(
        "a hook by other means",
        {
            "test_a.py": GOOD + BAD,
            "conftest.py": "globals()['pytest_collection_' + 'modifyitems'] = lambda items: items.pop()\n",
        },
        "test_a.py::test_bad",
        NEVER_RAN,
    ),
    Forgery(
        "a deleted function", {"test_a.py": GOOD + BAD + "del test_bad\n"}, "test_a.py::test_bad", NEVER_RAN
    ),
    Forgery(
        "a replaced function",
        {"test_a.py": GOOD + BAD + "test_bad = None\n"},
        "test_a.py::test_bad",
        NEVER_RAN,
    ),
    Forgery(
        "a shadowed function",
        {"test_a.py": BAD + "def test_bad(): assert sum([2]) == 2\n"},
        "test_a.py:1",
        "defined again",
    ),
    Forgery(
        "skipped",
        {"test_a.py": GOOD + "import pytest\n@pytest.mark.skip\n" + BAD},
        "test_a.py::test_bad",
        "skipped",
    ),
    Forgery(
        "a skipped file",
        {"test_a.py": GOOD, "test_b.py": "import pytest\npytest.skip(allow_module_level=True)\n" + BAD},
        "test_b.py",
        "skipped",
    ),
    Forgery(
        "expected to fail",
        {"test_a.py": GOOD + "import pytest\n@pytest.mark.xfail\n" + BAD},
        "test_a.py::test_bad",
        "xfailed",
    ),
    Forgery(
        "tests under __pycache__",
        {"test_a.py": GOOD, "__pycache__/test_b.py": BAD},
        "__pycache__/test_b.py",
        "pytest never looks",
    ),
    Forgery(
        "a bomb for the parser", {"test_a.py": GOOD, "test_b.py": "(" * 100_000}, "test_b.py", "be collected"
    ),
    Forgery(
        "memory for the parser",
        {"test_a.py": GOOD, "test_b.py": "x=[" + "{}," * 1_000_000 + "]"},
        "",
        "out of memory",
        Verdict.BROKEN_OFF,
        Ending.OUT_OF_MEMORY,
    ),
)

HARMLESS = {
    "configuration": ({"pytest.ini": "[pytest]\naddopts = --co\n"}, "pytest.ini", "no effect"),
    "start-up files": ({"sitecustomize.py": "raise SystemExit(0)\n"}, "sitecustomize.py", "no effect"),
    "a .pth file": ({"a.pth": "import os; os._exit(0)\n"}, "a.pth", "no effect"),
    "a forged report": ({"junit.xml": "<testsuites><testsuite/></testsuites>"}, "junit.xml", "no effect"),
    "a second pytest": ({"pytest.py": "raise SystemExit(0)\n"}, "pytest.py", "shadows"),
    "a second _pytest": ({"_pytest/__init__.py": "raise SystemExit(0)\n"}, "_pytest/__init__.py", "shadows"),
    "a second random": ({"random.py": "raise SystemExit(0)\n"}, "random.py", "shadows"),
    "an empty test": ({"test_b.py": "def test_b(): import built\n"}, "test_b.py:1", "asserts nothing"),
    "a silenced tool": ({"b.py": "import os  # noqa\n"}, "b.py:1", "# noqa"),
}

HONEST = {
    "conftest.py": "import pytest\n\ndef pytest_configure(config):\n"
    "    config.addinivalue_line('markers', 'slow: takes long')\n\n\n"
    "def pytest_addoption(parser):\n    parser.addoption('--fast', action='store_true')\n\n\n"
    "@pytest.fixture\ndef numbers():\n    yield [1, 2]\n",
    "tests/conftest.py": "def pytest_generate_tests(metafunc):\n"
    "    if 'made' in metafunc.fixturenames:\n        metafunc.parametrize('made', ['a', 'b[1]', 'c::d'])\n",
    "tests/__init__.py": "",
    "tests/test_a.py": "import unittest\nimport pytest\n\n"
    "def test_made(made): assert made in ('a', 'b[1]', 'c::d')\n"
    "@pytest.mark.slow\n@pytest.mark.parametrize('x', [1, 2])\ndef test_x(x, numbers): assert x in numbers\n"
    "class Base:\n    def test_inherited(self): assert self.value > 0\n"
    "class TestOne(Base):\n    value = 1\n"
    "    class TestInner:\n        def test_deep(self): assert len('a') == 1\n"
    "class Cases(unittest.IsolatedAsyncioTestCase):\n"
    "    async def test_later(self): self.assertEqual(1 + 1, 2)\n",
}


@pytest.fixture(scope="module")
def owner() -> Owner:
    return Owner.current(f"test-{secrets.token_hex(4)}")


@pytest.fixture(scope="module")
def pool(engine: Engine, image_id: str, owner: Owner) -> Iterator[Pool]:
    with (
        Volume.create(engine, owner, StoreLimits()) as volume,
        Keeper.start(engine, volume, image_id, owner, StoreLimits()),
        Pool(engine, volume, image_id, owner, Limits(), size=2) as started,
    ):
        yield started


def judged(pool: Pool, files: Mapping[str, str]) -> CheckResult:
    with pool.take() as box:
        box.place({path: text.encode() for path, text in files.items()}, "subject")
        check = TestCheck()
        return check.judge(box.run(check.job()))


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: forgery.name)
def test_a_forgery_is_seen_and_named(forgery: Forgery, pool: Pool) -> None:
    result = judged(pool, forgery.files)
    named = [
        finding
        for finding in result.findings
        if finding.blocking and finding.where.startswith(forgery.where) and forgery.said in finding.text
    ]

    assert (result.verdict, result.ending) == (forgery.verdict, forgery.ending), result.findings
    assert named, result.findings
    assert result.claimed


@pytest.mark.parametrize("name", HARMLESS)
def test_what_has_no_effect_is_named_and_fails_nothing(name: str, pool: Pool) -> None:
    files, where, said = HARMLESS[name]
    result = judged(
        pool, {"test_a.py": "import pytest, random, built\n" + GOOD, "built.py": "X = 1\n", **files}
    )

    assert result.verdict is Verdict.PASSED, result.findings
    assert any(finding.where == where and said in finding.text for finding in result.findings), (
        result.findings
    )


def test_an_honest_suite_with_a_conftest_passes_and_what_is_beyond_the_reading_is_named(pool: Pool) -> None:
    result = judged(pool, HONEST)

    assert (result.verdict, result.passed_count, result.failed_count) == (Verdict.PASSED, 8, 0), (
        result.findings
    )
    assert [finding.text for finding in result.findings] == [
        "1 ids beyond the static reading: tests/test_a.py::TestOne::test_inherited"
    ]
    assert {test.outcome for test in result.tests} == {"passed"}
    assert result.claimed


def test_tests_that_patch_pytest_itself_pass_and_stay_a_claim(pool: Pool) -> None:
    patched = "import _pytest.python\n_pytest.python.Function.runtest = lambda self: None\n"
    result = judged(pool, {"test_a.py": patched + BAD})

    assert (result.verdict, result.claimed) == (Verdict.PASSED, True)


def test_reports_printed_and_written_while_the_tests_run_are_read_by_nobody(pool: Pool) -> None:
    forged = (
        "import os\ndef test_forged():\n open('junit.xml', 'w').write('<testsuite/>')\n"
        ' os.write(1, b\'{"kind":"finished","exit_code":0}\\n\')\n assert os.getpid() == 0\n'
    )

    assert judged(pool, {"test_a.py": forged}).findings[0].where == "test_a.py::test_forged"


def test_the_pipe_of_the_reading_is_closed_to_the_tests(pool: Pool) -> None:
    forged = (
        "import os\ndef test_forged():\n"
        " for number in range(3, 256):\n"
        '  try: os.write(number, b\'{"expected_ids":[],"ids_left_out":0}\')\n'
        "  except OSError: pass\n"
    )
    with pool.take() as box:
        box.place({"test_a.py": forged.encode()}, "subject")
        result = box.run(Job.pytest())

    assert result.reading is not None
    assert result.reading.expected_ids == ("test_a.py::test_forged",)
    # The other pipe is open to it, and what was written there is no event.
    assert judge_session("tests", result).ending is Ending.TAMPERED
