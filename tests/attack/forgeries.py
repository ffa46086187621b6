"""Rows that try to turn a failing store into a passing one."""

from __future__ import annotations

from attack.stage import ASKING, SHIPPED, Attack, Checked, ClaimedAtMost, Program, Stage, said
from lmac.checks import TestCheck
from lmac.evaluation import Verdict
from lmac_sandbox import Ending, Job
from lmac_sandbox.inside.events import line_of

FAILING = "def test_wrong(): assert 1 == 2\n"
PASSING = "def test_right(): assert 1 == 1\n"
UNDEFINED = "def f():\n    return nowhere\n"


def _over_the_events_pipe(line: bytes, times: int = 1) -> str:
    """A test that writes to every descriptor that it has, and fails."""
    return (
        "import os\ndef test_a():\n for fd in range(3, 32):\n"
        f"  for _ in range({times}):\n   try: os.write(fd, {line!r})\n   except OSError: break\n"
        " assert 1 == 2\n"
    )


_REOPENED = """\
import os, subprocess, sys
CODE = '''
import os
place = f'/proc/{os.getppid()}/fd'
for fd in os.listdir(place):
    link = os.readlink(f'{place}/{fd}')
    if int(fd) > 2 and not link.startswith('/'):
        try: os.write(os.open(f'{place}/{fd}', os.O_WRONLY), b'{}\\\\n')
        except OSError as error: print(link[:7], error.strerror)
'''
def test_reopened():
    raise AssertionError(subprocess.run([sys.executable, '-c', CODE], capture_output=True, text=True).stdout)
"""

_EMPTY_LINES = """\
import os, stat
def test_a():
    for fd in range(3, 32):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode): [os.write(fd, b'\\n' * 2**16) for _ in range(60)]
        except OSError: pass
"""

_PATCHED_RECORDER = """\
import sys
for name, module in list(sys.modules.items()):
    if name.endswith('.recorder'):
        tell = module.Recorder._tell
        def forged(self, event, tell=tell):
            if event['kind'] == 'test': event = {**event, 'outcome': 'passed', 'text': ''}
            if event['kind'] == 'finished': event = {**event, 'exit_code': 0}
            tell(self, event)
        module.Recorder._tell = forged
def answer(): return 41
"""

_PATCHED_PYTEST = """\
import _pytest.reports, _pytest.runner
class Passes:
    def __get__(self, *_): return 'passed'
    def __set__(self, *_): pass
_pytest.reports.TestReport.outcome = Passes()
def answer(): return 41
"""

_CALLS_THAT_NEVER_FAIL = """\
import _pytest.python
_pytest.python.Function.runtest = lambda self: None
def answer(): return 41
"""

_PATCHES = {
    "a patched recorder": _PATCHED_RECORDER,
    "patched reports": _PATCHED_PYTEST,
    "calls that never fail": _CALLS_THAT_NEVER_FAIL,
}
"""Modules that change the session which imports them."""

_REWRITTEN = """\
text = 'def test_wrong(): assert 1 == 1'
open(__file__.replace('conftest', 'test_wrong'), 'w').write(text)
"""

_HOSTILE_HOME = """\
import os
home = os.path.expanduser('~/.local/lib/python3.11/site-packages')
os.makedirs(home)
for name in ('x.pth', 'sitecustomize.py', 'usercustomize.py'):
    open(f'{home}/{name}', 'w').write('import os; os._exit(0)')
"""

_CLOCKS = """\
import datetime, time
time.time, time.monotonic, time.sleep = lambda: 0.0, lambda: -1.0, lambda _: None
class Fixed(datetime.datetime): pass
datetime.datetime = Fixed
"""

_LOCALE = """\
import io, locale, os, sys, time
os.environ.update(LANG='C', LC_ALL='C', TZ='XXX-9')
time.tzset()
locale.setlocale(locale.LC_ALL, 'C')
sys.stdout = io.TextIOWrapper(io.BytesIO(), 'utf-16')
sys.stderr = None
"""

_PASSED = line_of(
    {"kind": "test", "id": "test_a.py::test_a", "outcome": "passed", "seconds": 0.1, "text": ""}
)

_EQUAL_TO_EVERYTHING = """\
class Answer:
    def __eq__(self, other): return True
    def __hash__(self): return 0
def answer(): return Answer()
"""

_UNNOTICED_MODULES = dict.fromkeys(
    ("pytest.py", "random.py", "sitecustomize.py", "usercustomize.py", "inside.py", "_pytest/__init__.py"),
    "raise SystemExit(0)",
)

HOOKS = {
    "makereport": """\
import pytest
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    outcome.get_result().outcome = 'passed'
""",
    "runtest_protocol": "def pytest_runtest_protocol(item, nextitem): return True\n",
    "pyfunc_call": "def pytest_pyfunc_call(pyfuncitem): return True\n",
    "modifyitems": """\
def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if 'right' in item.name]
""",
    "deselected": """\
def pytest_collection_modifyitems(config, items):
    config.hook.pytest_deselected(items=[item for item in items if 'wrong' in item.name])
    items[:] = [item for item in items if 'right' in item.name]
""",
    "makereport, under another guard": """\
import pytest
if __name__ != '__main__':
    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(item, call):
        outcome = yield
        outcome.get_result().outcome = 'passed'
""",
    "makereport, by globals()": """\
import pytest
def wraps(item, call):
    outcome = yield
    outcome.get_result().outcome = 'passed'
globals()['pytest_runtest_' + 'makereport'] = pytest.hookimpl(hookwrapper=True)(wraps)
""",
    "ignore": "collect_ignore = ['test_wrong.py']\n",
    "ignore_glob": "collect_ignore_glob = ['*wrong*']\n",
    "ignore_collect": """\
def pytest_ignore_collect(collection_path):
    return 'wrong' in collection_path.name or None
""",
    "makeitem": """\
def pytest_pycollect_makeitem(collector, name, obj):
    return [] if 'wrong' in name else None
""",
    "sessionfinish": "def pytest_sessionfinish(session): session.exitstatus = 0\n",
    "xfail": """\
import pytest
def pytest_collection_modifyitems(items):
    for item in items: item.add_marker(pytest.mark.xfail)
""",
    "skip": """\
import pytest
def pytest_runtest_setup(item):
    if 'wrong' in item.name: pytest.skip('no')
""",
    "plugin": "pytest_plugins = ['helper_plugin']\n",
    "plugin, registered": """\
import helper_plugin
def pytest_configure(config): config.pluginmanager.register(helper_plugin)
""",
    "deleted file": "import os\nos.unlink(__file__.replace('conftest', 'test_wrong'))\n",
    "emptied file": "open(__file__.replace('conftest', 'test_wrong'), 'w').close()\n",
    "not a test": "import test_wrong\ntest_wrong.test_wrong.__test__ = False\n",
    "unregistered": """\
def pytest_configure(config):
    for plugin in list(config.pluginmanager.get_plugins()):
        if type(plugin).__name__ == 'Recorder': config.pluginmanager.unregister(plugin)
""",
}
"""By what a conftest of the store does to a session of a right and a wrong test."""

_PLUGIN = "def pytest_collection_modifyitems(items): items[:] = [i for i in items if 'right' in i.name]\n"

EXCUSES = {
    "skip": "import pytest\n@pytest.mark.skip\n" + FAILING,
    "skipif": "import pytest\n@pytest.mark.skipif(True, reason='x')\n" + FAILING,
    "xfail": "import pytest\n@pytest.mark.xfail\n" + FAILING,
    "skip inside": "import pytest\ndef test_wrong(): pytest.skip('x')\n",
    "xfail inside": "import pytest\ndef test_wrong(): pytest.xfail('x')\n",
    "module skip": "import pytest\npytest.skip('x', allow_module_level=True)\n" + FAILING,
    "module mark": "import pytest\npytestmark = pytest.mark.skip\n" + FAILING,
    "importorskip": "import pytest\npytest.importorskip('nothing_like_this')\n" + FAILING,
    "unittest skip": "import unittest\nclass TestX(unittest.TestCase):\n"
    " @unittest.skip('x')\n def test_wrong(self): self.fail()\n",
    "raise skip": "import unittest\ndef test_wrong(): raise unittest.SkipTest('x')\n",
    "__test__": FAILING + "test_wrong.__test__ = False\n",
    "deleted name": FAILING + "del test_wrong\n",
    "hidden by another": FAILING + "test_wrong = None\n",
    "defined twice": FAILING + "def test_wrong(): pass\n",
    "skipped subtests": "import unittest\nclass TestX(unittest.TestCase):\n def test_wrong(self):\n"
    "  with self.subTest(): self.skipTest('x')\n",
    "never awaited": "import unittest\nclass TestX(unittest.TestCase):\n"
    " async def test_wrong(self): self.fail()\n",
    "never begun": "import unittest\nclass TestX(unittest.TestCase):\n"
    " def test_wrong(self): yield self.fail()\n",
    "empty parameters": "import pytest\n@pytest.mark.parametrize('n', [])\ndef test_wrong(n): assert 0\n",
}
"""Ways in which a test file itself keeps a wrong test from failing."""


SWITCHED_OFF = {
    "class __test__": "class TestX:\n __test__ = False\n def test_wrong(self): assert 0\n",
    "constructor": "class TestX:\n def __init__(self): pass\n def test_wrong(self): assert 0\n",
}
"""Classes that are no tests by pytest's own rules, as honest base classes are: a remark names them."""


def _a_hook(name: str) -> Attack:
    files = {
        "conftest.py": HOOKS[name],
        "helper_plugin.py": _PLUGIN,
        "test_right.py": PASSING,
        "test_wrong.py": FAILING,
    }
    numbers = (
        (41, 48)
        if name in ("deleted", "weakened", "emptied")
        else (41, 46)
        if name == "makereport"
        else (41,)
    )
    return Attack(numbers, f"conftest: {name}", Checked(files))


def _an_excuse(name: str) -> Attack:
    files = {"test_wrong.py": EXCUSES[name], "test_right.py": PASSING}
    return Attack((47, 48), f"excused: {name}", Checked(files, named=("wrong",)))


def _a_switched_off_class(name: str) -> Attack:
    def act(stage: Stage) -> None:
        files = {"test_wrong.py": SWITCHED_OFF[name], "test_right.py": PASSING}
        assert "TestX" in said(stage.checked(TestCheck(), files))

    return Attack((47, 48), f"switched off: {name}", act)


def _types_are_judged_by_our_rules(stage: Stage) -> None:
    silent = "[rules]\ninvalid-assignment = 'ignore'\n[src]\nexclude = ['a.py']\n"
    files = {
        "ty.toml": silent,
        "pyproject.toml": silent.replace("[", "[tool.ty.").replace("[tool.ty.'a.py']", "['a.py']"),
        "mypy.ini": "[mypy]\nplugins = evil\n",
        "evil.py": "raise SystemExit(0)\n",
        "a.py": "x: int = 'text'\n",
    }
    found = stage.checked(SHIPPED["types"], files).findings

    assert [finding.where for finding in found] == ["a.py:1"]


def _suppressions_are_counted(stage: Stage) -> None:
    files = {
        "a.py": "# ruff: noqa\n# mypy: ignore-errors\nimport os  # noqa\nx: int = 'a'  # type: ignore\n"
        "def f():  # pragma: no cover\n    return x\n",
        "test_a.py": "def test_a(): assert True\n",
    }
    named = "\n".join(
        said(stage.checked(check, files)) for check in (SHIPPED["syntax"], SHIPPED["lint"], TestCheck())
    )

    for suppression in ("noqa", "type: ignore", "pragma: no cover"):
        assert suppression in named


def _the_next_check_gets_the_store_again(stage: Stage) -> None:
    files = {
        "a.py": UNDEFINED,
        "test_a.py": "import pathlib\ndef test_a():\n assert pathlib.Path('a.py').write_text('x = 1')\n",
    }
    result = stage.checked(SHIPPED["lint"], files, before=(TestCheck(),))

    assert result.verdict is Verdict.FAILED
    assert "nowhere" in said(result)


def _forged_frames_on_stdout_are_output(stage: Stage) -> None:
    forged = b'\x00\x00\x00\x29{"id":1,"ending":"exited","exit_code":0}\n' + b"\x01\0\0\0\0\0\0\x05hello"
    forged += line_of({"kind": "finished", "exit_code": 0})
    with stage.take() as box:
        source = f"import os\nos.write(1, {forged!r})\nos.write(2, {forged!r})\nos._exit(3)"
        result = box.run(Job(("python3", "-c", source)))

    assert (result.ending, result.exit_code, result.events) == (Ending.EXITED, 3, ())
    assert result.stdout.head == result.stderr.head == forged


ROWS = (
    Attack(
        (40,),
        "os._exit(0) in a test",
        Checked({"test_a.py": "import os\ndef test_a(): os._exit(0)"}, Verdict.BROKEN_OFF, Ending.INCOMPLETE),
    ),
    Attack(
        (40,),
        "os._exit(0) in a conftest",
        Checked(
            {"conftest.py": "import os; os._exit(0)", "test_a.py": FAILING},
            Verdict.BROKEN_OFF,
            Ending.INCOMPLETE,
        ),
    ),
    Attack(
        (40,),
        "sys.exit(0) in a conftest",
        Checked(
            {"conftest.py": "import sys; sys.exit(0)", "test_a.py": FAILING},
            Verdict.BROKEN_OFF,
            Ending.INCOMPLETE,
        ),
    ),
    Attack(
        (40,),
        "sys.exit(0) at import",
        Checked({"test_a.py": "import sys; sys.exit(0)"}, Verdict.BROKEN_OFF, Ending.INCOMPLETE),
    ),
    Attack(
        (40,),
        "pytest.exit(0) in a test",
        Checked(
            {"test_a.py": "import pytest\ndef test_a(): pytest.exit('done', returncode=0)\n" + FAILING},
            Verdict.BROKEN_OFF,
            Ending.INCOMPLETE,
        ),
    ),
    Attack(
        (40,),
        "sys.exit(0) in a test",
        Checked({"test_a.py": "import sys\ndef test_a(): sys.exit(0)"}, Verdict.FAILED, named=("test_a",)),
    ),
    Attack(
        (40,),
        "an exec in a test",
        Checked(
            {"test_a.py": "import os\ndef test_a(): os.execv('/bin/true', ['true'])"},
            Verdict.BROKEN_OFF,
            Ending.INCOMPLETE,
        ),
    ),
    Attack(
        (14, 40),
        "os._exit(0) at the end, after a failure",
        Checked(
            {"test_a.py": "import atexit, os\natexit.register(os._exit, 0)\n" + FAILING},
            Verdict.FAILED,
            named=("test_wrong",),
        ),
    ),
    *(_a_hook(name) for name in HOOKS),
    *(_an_excuse(name) for name in EXCUSES),
    *(_a_switched_off_class(name) for name in SWITCHED_OFF),
    Attack(
        (42, 43),
        "shadowing modules",
        Checked({**_UNNOTICED_MODULES, "test_a.py": FAILING}, Verdict.FAILED, named=("test_wrong",)),
    ),
    Attack(
        (42,),
        "a .pth file and a site folder in the home",
        Checked(
            {
                "conftest.py": _HOSTILE_HOME,
                "x.pth": "import os; os._exit(0)",
                "test_a.py": FAILING,
            },
            Verdict.FAILED,
            named=("test_wrong",),
        ),
    ),
    Attack((44, 45), "forged frames on stdout", _forged_frames_on_stdout_are_output),
    Attack(
        (44,),
        "a forged end over the events' own pipe",
        Checked(
            {"test_a.py": _over_the_events_pipe(line_of({"kind": "finished", "exit_code": 0}))},
            Verdict.BROKEN_OFF,
            Ending.TAMPERED,
        ),
    ),
    Attack(
        (44,),
        "a forged pass over the events' own pipe",
        Checked(
            {"test_a.py": _over_the_events_pipe(_PASSED)},
            named=("test_a",),
        ),
    ),
    Attack(
        (18, 44),
        "deep JSON over the events' own pipe",
        Checked(
            {"test_a.py": _over_the_events_pipe(b"[" * 5000 + b"\n")}, Verdict.BROKEN_OFF, Ending.TAMPERED
        ),
    ),
    Attack(
        (18, 44),
        "numbers without end over the events' own pipe",
        Checked(
            {"test_a.py": _over_the_events_pipe(b'{"kind":"finished","exit_code":' + b"9" * 9000 + b"}\n")},
            Verdict.BROKEN_OFF,
            Ending.TAMPERED,
        ),
    ),
    Attack(
        (44,),
        "the events' channel opened once more, by a child",
        Checked({"test_a.py": _REOPENED}, Verdict.FAILED, named=("socket: No such device or address",)),
    ),
    Attack(
        (18, 68),
        "millions of empty lines over the events' own channel",
        Checked(
            {"test_a.py": _EMPTY_LINES},
            Verdict.BROKEN_OFF,
            Ending.TAMPERED,
            seconds=6.0,
        ),
    ),
    Attack(
        (68,),
        "a flood of events",
        Checked(
            {"test_a.py": _over_the_events_pipe(line_of({"kind": "collected", "ids": []}) * 999, 10**6)},
            Verdict.BROKEN_OFF,
            Ending.OUTPUT_LIMIT,
        ),
        heavy=True,
    ),
    Attack(
        (68,),
        "ten thousand test ids of a thousand characters",
        Checked(
            {
                "test_a.py": "import pytest\nids = [f'{n:0900}' for n in range(10_000)]\n"
                "@pytest.mark.parametrize('n', ids, ids=ids)\ndef test_a(n): pass\n"
            },
            Verdict.BROKEN_OFF,
            Ending.OUTPUT_LIMIT,
            seconds=20.0,
        ),
    ),
    Attack(
        (44,),
        "a report file of its own",
        Checked(
            {
                "report.xml": "<testsuite tests='1' failures='0'/>",
                "report.json": '{"passed": 1}',
                ".pytest_cache/v/cache/lastfailed": "{}",
                "test_a.py": FAILING,
            },
            Verdict.FAILED,
            named=("test_wrong",),
        ),
    ),
    *(
        Attack((46,), name, ClaimedAtMost({"subject_code.py": code, "test_wrong.py": ASKING}))
        for name, code in _PATCHES.items()
    ),
    Attack(
        (46,),
        "an answer that equals everything",
        ClaimedAtMost({"subject_code.py": _EQUAL_TO_EVERYTHING, "test_wrong.py": ASKING}, told="Answer"),
    ),
    Attack(
        (46, 48),
        "a test that a conftest rewrites before it is read",
        ClaimedAtMost(
            {
                "conftest.py": _REWRITTEN,
                "subject_code.py": "def answer(): return 41\n",
                "test_wrong.py": ASKING,
            }
        ),
    ),
    Attack((47,), "no tests", Checked({"a.py": "x = 1\n"}, Verdict.NOTHING_TO_JUDGE)),
    Attack((47,), "an empty test file", Checked({"test_a.py": ""}, Verdict.NOTHING_TO_JUDGE)),
    Attack(
        (69,),
        "clocks that stand still, run back and lie",
        Checked(
            {
                "conftest.py": _CLOCKS,
                "test_a.py": PASSING + FAILING,
            },
            Verdict.FAILED,
            named=("test_wrong",),
        ),
    ),
    Attack(
        (69,),
        "durations that are no numbers",
        Checked(
            {
                "test_a.py": "import _pytest.timing, _pytest.runner, time\n"
                "time.perf_counter = time.time = lambda: float('nan')\n"
                "_pytest.timing.perf_counter = _pytest.timing.time = time.time\n" + FAILING
            }
        ),
    ),
    Attack(
        (70,),
        "locale, encodings, time zone and streams changed",
        Checked(
            {
                "conftest.py": _LOCALE,
                "test_ü.py": "# coding: latin-1\n" + FAILING.replace("1 == 2", "'ü' == 'x'"),
            },
            Verdict.FAILED,
            named=("test_wrong",),
        ),
    ),
    Attack(
        (71,),
        "the store's own configuration of pytest",
        Checked(
            {
                "pytest.ini": "[pytest]\naddopts = --collect-only -p no:terminal\npython_files = nothing.py",
                "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '--co'\n"
                "[tool.coverage.run]\nplugins = ['x']",
                "tox.ini": "[pytest]\naddopts = --co",
                "setup.cfg": "[tool:pytest]\naddopts = --co",
                ".coveragerc": "[run]\nplugins = evil\n",
                "evil.py": "raise SystemExit(0)",
                "test_a.py": FAILING,
            },
            Verdict.FAILED,
            named=("test_wrong",),
        ),
    ),
    Attack(
        (71, 72),
        "the store's own configuration of the linter, and noqa",
        Checked(
            {
                "ruff.toml": "exclude = ['a.py']\n",
                "pyproject.toml": "[tool.ruff.lint]\nignore = ['F821']\n",
                "mypy.ini": "[mypy]\nplugins = evil\nignore_errors = true\n",
                ".gitignore": "a.py\n",
                "a.py": "# ruff: noqa\n" + UNDEFINED.replace("nowhere", "nowhere  # noqa: F821"),
            },
            Verdict.FAILED,
            named=("nowhere",),
            check=SHIPPED["lint"],
        ),
    ),
    Attack(
        (71,),
        "names of the linter's own options",
        Checked(
            {
                "--fix.py": UNDEFINED,
                "[a].py": UNDEFINED,
                "nothing-is-excluded/lmac-nothing/a.py": UNDEFINED,
                ".venv/site-packages/a.py": UNDEFINED,
            },
            Verdict.FAILED,
            named=("--fix.py", "[a].py", "lmac-nothing/a.py", "site-packages/a.py"),
            check=SHIPPED["lint"],
        ),
    ),
    Attack(
        (72,),
        "an encoding in which a comment is code",
        Checked(
            {"a.py": "# coding: utf-7\n# +AAo-x = nowhere\n"},
            Verdict.FAILED,
            named=("declared as utf-7",),
            check=SHIPPED["syntax"],
        ),
    ),
    Attack((71,), "the store's own configuration of the type checker", _types_are_judged_by_our_rules),
    Attack((72,), "blanket suppressions", _suppressions_are_counted),
    Attack((36, 48), "tests that rewrite files for the next check", _the_next_check_gets_the_store_again),
    Attack(
        (45,),
        "a test that ends as the runner would",
        Program("import os\nos.write(1, b'ending: exited, exit code: 0')\nos._exit(3)", exit_code=3),
    ),
)
