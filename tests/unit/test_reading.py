"""What a reading of test files promises, and what it says of a session before it runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac_sandbox.inside.notices import Notice, NoticeKind
from lmac_sandbox.inside.reading import (
    EXPECTED_IDS,
    NOTICES,
    checked_reading,
    parse_reading,
    read_folder,
    read_sources,
)


def ids(source: str, path: str = "test_a.py") -> list[str]:
    return [name.removeprefix(f"{path}::") for name in read_sources({path: source.encode()})[0]]


def kinds(**files: str) -> list[NoticeKind]:
    """Of files whose names are given with `__` for a dot."""
    return [notice.kind for notice in said(**files)]


def said(**files: str) -> list[Notice]:
    return read_sources({name.replace("__", "."): text.encode() for name, text in files.items()})[1]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def test_a(): assert f()\ndef helper(): pass\ndef testb(): assert f()\n", ["test_a", "testb"]),
        ("async def test_a(): assert f()\n", ["test_a"]),
        (
            "class TestA:\n def test_b(self): assert f()\n class TestC:\n  def test_d(self): assert f()\n",
            ["TestA::test_b", "TestA::TestC::test_d"],
        ),
        ("class Cases:\n def test_b(self): assert f()\n", []),
        (
            "class Cases(unittest.TestCase):\n def test_b(self): assert f()\n def help(self): pass\n",
            ["Cases::test_b"],
        ),
        (
            "class Base(TestCase): pass\nclass Cases(Base):\n def test_b(self): assert f()\n",
            ["Cases::test_b"],
        ),
        ("class Cases(TestCase):\n class TestInner:\n  def test_b(self): assert f()\n", []),
        ("class Base(TestCase):\n def test_b(self): assert f()\ndel Base\n", []),
        ("def test_a(): assert f()\ndel test_a\n", ["test_a"]),
        ("class TestA:\n def __init__(self): pass\n def test_b(self): assert f()\n", []),
        ("class Base:\n def __init__(self): pass\nclass TestA(Base):\n def test_b(self): assert f()\n", []),
        ("@dataclass\nclass TestA:\n def test_b(self): assert f()\n", []),
        ("class TestA(ABC):\n @abstractmethod\n def make(self): ...\n def test_b(self): assert f()\n", []),
        ("class TestA:\n __test__ = False\n def test_b(self): assert f()\n", []),
        ("__test__ = False\ndef test_b(): assert f()\n", []),
        ("@pytest.fixture\ndef test_a(): return 1\n@fixture(scope='module')\ndef test_b(): return 1\n", []),
        ("@pytest.mark.parametrize('x', [1])\ndef test_a(x): assert x\n", ["test_a"]),
        ("if X:\n def test_a(): assert f()\nelse:\n def test_a(): assert f()\n", ["test_a"]),
        (
            "try:\n import x\n def test_a(): assert f()\nexcept ImportError:\n def test_b(): assert f()\n",
            ["test_a", "test_b"],
        ),
        ("with x:\n for y in z:\n  def test_a(): assert f()\n", ["test_a"]),
        ("match x:\n case 1:\n  def test_a(): assert f()\n", ["test_a"]),
        ("if __name__ == '__main__':\n def test_a(): assert f()\n", []),
        ("if __name__ != '__main__':\n def test_a(): assert f()\n", ["test_a"]),
        ("if __name__ == '__main__':\n pass\nelse:\n def test_a(): assert f()\n", ["test_a"]),
        ("def test_a():\n def test_inner(): pass\n assert f()\n", ["test_a"]),
    ],
)
def test_test_functions_are_told_by_pytests_own_rules(source: str, expected: list[str]) -> None:
    assert ids(source) == expected


@pytest.mark.parametrize("path", ["test_a.py", "a_test.py", "deep/er/test_.py"])
def test_files_are_told_by_their_names(path: str) -> None:
    assert ids("def test_a(): assert f()", path) == ["test_a"]


@pytest.mark.parametrize("path", ["a.py", "tests.py", "conftest.py", "test_a.txt", "__pycache__/test_a.py"])
def test_files_that_pytest_does_not_take_promise_nothing(path: str) -> None:
    assert read_sources({path: b"def test_a(): assert f()"})[0] == {}


def test_of_two_functions_of_one_name_the_first_is_named_as_hidden() -> None:
    twice = "def test_a(): assert f()\ndef test_a(): assert g()\n"

    assert ids(twice) == ["test_a"]
    (notice,) = said(test_a__py=twice)
    assert (notice.kind, notice.line) == (NoticeKind.HIDDEN, 1)
    assert kinds(test_a__py="if X:\n def test_a(): assert f()\nelse:\n def test_a(): assert f()\n") == []


@pytest.mark.parametrize(
    "source",
    [
        "class TestA:\n def __init__(self): pass\n def test_b(self): assert f()\n",
        "__test__ = False\ndef test_b(): assert f()\n",
        "@pytest.fixture\ndef test_b(): return 1\n",
        "class TestA:\n @cached_property\n def test_b(self): assert f()\n",
        "class Checks:\n def test_b(self): assert f()\n",
        "class TestA:\n class Inner:\n  def test_b(self): assert f()\n",
        "class TestA:\n def test_b(self): assert f()\ndel TestA\n",
    ],
)
def test_tests_that_are_switched_off_are_named(source: str) -> None:
    assert kinds(test_a__py=source) == [NoticeKind.SWITCHED_OFF]


def test_tests_that_another_class_of_the_file_inherits_are_not_named_as_switched_off() -> None:
    base = "class Contract:\n def test_b(self): assert f()\nclass TestA(Contract): pass\n"

    assert kinds(test_a__py=base) == kinds(test_a__py=f"{base}del Contract\n") == []


@pytest.mark.parametrize(
    "source", ["def f(:\n", "(" * 5000, "x = '\0'", "\udcff".encode("utf-8", "surrogatepass")]
)
def test_what_cannot_be_parsed_is_named(source: str | bytes) -> None:
    raw = source if isinstance(source, bytes) else source.encode()
    found, notices = read_sources({"test_a.py": raw, "test_b.py": b"def test_b(): assert f()"})

    assert list(found) == ["test_b.py::test_b"]
    assert [notice.kind for notice in notices] == [NoticeKind.UNREADABLE]


@pytest.mark.parametrize(
    "body",
    [
        "pass",
        "'''Says a lot.'''",
        "f()",
        "x = f() == 1",
        "assert True",
        "assert 1, 'why'",
        "assert 'text'",
        "assert (f() == 1, 'why')",
        "assert x == x",
        "assert a.b is a.b",
        "assert 1 == 1",
        "assert not None",
        "assert f() or True",
        "print(f())",
        "return\n    assert f()",
        "if True: return\n    assert f()",
        "if x: return\n    else: raise_nothing(); return\n    assert f()",
        "if False: assert f()",
        "if __debug__ and 0: pass\n    while 0: assert f()",
        "for y in []: assert f()",
        "try: assert f()\n    except AssertionError: pass",
        "try: assert f()\n    except (ValueError, Exception): print('no')",
        "try: assert f()\n    except: assert True",
        "with suppress(AssertionError): assert f()",
        "with contextlib.suppress(Exception): assert f()",
    ],
)
def test_a_test_that_asserts_nothing_is_flagged(body: str) -> None:
    assert kinds(test_a__py=f"def test_a(x, a):\n    {body}\n") == [NoticeKind.ASSERTS_NOTHING]


@pytest.mark.parametrize(
    "body",
    [
        "assert f() == 1",
        "assert f() == f()",
        "assert x is not None",
        "self.assertEqual(f(), 1)",
        "mock.assert_called_once()",
        "with pytest.raises(ValueError): f()",
        "with raises(ValueError): f()",
        "if f(): pytest.fail('no')",
        "if f(): raise AssertionError",
        "helper(f())",
        "outer(f())",
        "check_stack(f())",
        "for y in x:\n        assert y",
        "if x: return\n    assert f()",
        "if x:\n        assert f()\n    else: return",
        "while True:\n        assert f()\n        break",
        "try: f()\n    except ValueError: return\n    raise AssertionError",
        "try: f(); pytest.fail('no')\n    except ValueError: pass",
        "try: f()\n    except Exception as error: assert 'x' in str(error)",
        "try: assert f()\n    except Exception: raise",
        "try: assert f()\n    finally: close()",
        "with suppress(OSError): assert f()",
        "with open(x) as y: assert y",
        "match x:\n        case 1: assert f()",
        "fixture.get()",
    ],
)
def test_a_test_that_states_something_is_not_flagged(body: str) -> None:
    helpers = (
        "def helper(x):\n    assert x\ndef outer(x):\n    helper(x)\n"
        "@pytest.fixture\ndef sure():\n    yield 1\n    assert done()\n"
    )
    argument = "sure" if body == "fixture.get()" else "x"
    source = f"{helpers}def test_a({argument}):\n    {body}\n"

    assert kinds(test_a__py=source) == []
    assert kinds(conftest__py=helpers, test_a__py=f"def test_a({argument}):\n    {body}\n") == []


@pytest.mark.parametrize(
    "source",
    [
        "def pytest_collection_modifyitems(items): items.clear()\n",
        "def pytest_ignore_collect(): return True\n",
        "def pytest_collect_file(): pass\n",
        "def pytest_pycollect_makeitem(): return []\n",
        "def pytest_runtest_protocol(): return True\n",
        "@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_makereport(): yield\n",
        "@pytest.hookimpl(wrapper=True)\ndef pytest_runtest_setup(): yield\n",
        "@pytest.hookimpl(specname='pytest_runtest_makereport')\ndef innocent(): pass\n",
        "def pytest_sessionfinish(session): session.exitstatus = 0\n",
        "def pytest_cmdline_main(config): return 0\n",
        "def pytest_configure(config): config.option.keyword = 'x'\n",
        "if True:\n def pytest_runtest_call(item): pass\n",
        "pytest_runtest_makereport = lambda: None\n",
        "from elsewhere import pytest_runtest_makereport\n",
        "from elsewhere import f as pytest_runtest_makereport\n",
        "collect_ignore = ['test_b.py']\n",
        "collect_ignore_glob: list = ['*']\n",
        "pytest_plugins = ['somebody.elses']\n",
        "pytest_plugins = list_of_names()\n",
        "import pytest\ndef f(config): config.pluginmanager.register(X())\n",
        "if __name__ != '__main__':\n def pytest_runtest_call(item): pass\n",
        "if __name__ == '__main__':\n pass\nelse:\n def pytest_runtest_call(item): pass\n",
        "if '__main__' == __name__:\n pass\nelse:\n def pytest_runtest_call(item): pass\n",
        "if __name__ == '__main__':\n def pytest_runtest_call(item): pass\n",
        "__name__ = '__main__'\n",
        "pytest_runtest_call, y = f, 1\n",
        "[y, *pytest_runtest_call] = f\n",
        "(pytest_runtest_call := f)\n",
        "x = [pytest_runtest_call := f for _ in 'a']\n",
        "@(pytest_runtest_call := f)\ndef g(): pass\n",
        "def g(x=(pytest_runtest_call := f)): pass\n",
        "class A((pytest_runtest_call := f)): pass\n",
        "for pytest_runtest_call in [f]: pass\n",
        "with f as pytest_runtest_call: pass\n",
        "try: f()\nexcept E as pytest_runtest_call: pass\n",
        "import x as pytest_runtest_call\n",
        "class pytest_runtest_call: pass\n",
        "match f:\n case pytest_runtest_call: pass\n",
        "match f:\n case [*pytest_runtest_call]: pass\n",
        "match f:\n case {**pytest_runtest_call}: pass\n",
        "def g():\n global pytest_runtest_call\n",
        "x, collect_ignore = 1, ['test_b.py']\n",
        "(pytest_plugins := ['somebody.elses'])\n",
        "pytest_plugins = []\npytest_plugins.append('somebody.elses')\n",
        "from x import names as pytest_plugins\n",
        "globals()['pytest_runtest_' + 'call'] = f\n",
        "exec(text)\n",
        "vars()['x'] = f\n",
        "def __dir__(): return NAMES\n",
        "f = pytest.hookimpl(specname=NAME)(g)\n",
        "from pytest import hookimpl as mark\n",
        "@pytest.hookimpl(None, True)\ndef pytest_runtest_setup(): yield\n",
        "@pytest.hookimpl(**OPTIONS)\ndef innocent(): yield\n",
        "@pytest.mark.hookwrapper\ndef pytest_runtest_setup(): yield\n",
    ],
)
def test_a_conftest_that_can_hide_or_rewrite_results_is_named(source: str) -> None:
    assert kinds(conftest__py=source) == [NoticeKind.CHANGES_SESSION]


@pytest.mark.parametrize(
    "source",
    [
        "import pytest\n@pytest.fixture\ndef stack(): return []\n",
        "def pytest_addoption(parser): parser.addoption('--slow')\n",
        "def pytest_generate_tests(metafunc): metafunc.parametrize('x', [1])\n",
        "def pytest_configure(config):\n '''Marks.'''\n config.addinivalue_line('markers', 'slow: long')\n",
        "def pytest_configure(config):\n for m in M:\n  config.addinivalue_line('markers', m)\n",
        "def pytest_runtest_setup(item): pass\n",
        "def pytest_sessionstart(session): pass\n",
        "pytest_plugins = ['pytester']\n",
        "from fixtures import *\n",
        "import sys\nsys.path.insert(0, 'src')\n",
        "@pytest.hookimpl(tryfirst=True)\ndef pytest_runtest_setup(item): pass\n",
        "from pytest import hookimpl\n@hookimpl\ndef pytest_runtest_setup(item): pass\n",
        "@pytest.fixture\ndef f(monkeypatch): monkeypatch.setattr('a.b', 1)\n",
        "if __name__ == '__main__':\n pytest.main()\n",
    ],
)
def test_an_ordinary_conftest_is_left_alone(source: str) -> None:
    assert kinds(conftest__py=source, fixtures__py="def stack(): return []\n") == []


@pytest.mark.parametrize(
    "conftest", ["from hooks import *\n", "from .hooks import *\n", "pytest_plugins = 'hooks'\n"]
)
def test_hooks_that_a_conftest_brings_in_from_another_file_are_named_there(conftest: str) -> None:
    (notice,) = said(conftest__py=conftest, hooks__py="\ndef pytest_runtest_makereport(): pass\n")

    assert (notice.kind, notice.path, notice.line) == (NoticeKind.CHANGES_SESSION, "hooks.py", 2)


@pytest.mark.parametrize(
    "source",
    [
        "import sys\nsetattr(sys.modules['conftest'], NAME, f)\n",
        "eval(text)\n",
        "x.__dict__[NAME] = f\n",
    ],
)
def test_what_a_conftest_may_define_as_it_runs_is_a_remark(source: str) -> None:
    assert set(kinds(conftest__py=source)) == {NoticeKind.DYNAMIC}


def test_a_conftest_that_asks_for_its_own_module_is_named() -> None:
    source = "import sys\nsetattr(sys.modules[__name__], NAME, f)\n"

    assert NoticeKind.CHANGES_SESSION in kinds(conftest__py=source)


def test_hooks_that_only_print_have_no_effect() -> None:
    assert kinds(conftest__py="def pytest_report_header(): return 'x'\n") == [NoticeKind.NO_EFFECT]


@pytest.mark.parametrize(
    "source", ["import os\nos._exit(0)\n", "import sys\nsys.exit(0)\n", "raise SystemExit\n", "exit()\n"]
)
def test_calls_that_end_the_session_are_named(source: str) -> None:
    assert kinds(conftest__py=source) == [NoticeKind.LEAVES]


@pytest.mark.parametrize(
    ("comment", "blanket"),
    [
        ("# noqa", True),
        ("#NOQA", True),
        ("# noqa: F401", False),
        ("# noqa:F401,E501", False),
        ("# flake8: noqa", True),
        ("# ruff: noqa", True),
        ("# ruff: noqa: F401", False),
        ("# type: ignore", True),
        ("# type: ignore[attr-defined]", False),
        ("# ty: ignore[invalid-return-type]", True),
        ("# pragma: no cover", True),
        ("# pylint: disable=all", True),
        ("# pylint: disable=invalid-name", False),
        ("# mypy: ignore-errors", True),
        ("# pyright: ignore", True),
        ("# pyright: ignore[reportX]", False),
        ("# pyright: basic", True),
    ],
)
def test_comments_that_silence_a_tool_altogether_are_counted(comment: str, blanket: bool) -> None:
    notices = said(a__py=f"x = 1\ny = 2  {comment}\nz = '{comment}'\n")

    assert [(notice.kind, notice.line) for notice in notices] == [(NoticeKind.SUPPRESSION, 2)] * blanket


def test_suppressions_of_one_kind_are_one_notice_with_their_first_places() -> None:
    (notice,) = said(a__py="x = 1  # noqa\n" * 5)

    assert "5 times: a.py:1, a.py:2, a.py:3" in notice.text


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("pytest.ini", "", NoticeKind.NO_EFFECT),
        ("tox.ini", "[tox]\n[pytest]\n", NoticeKind.NO_EFFECT),
        ("tox.ini", "[tox]\n", None),
        ("setup.cfg", "[tool:pytest]\n", NoticeKind.NO_EFFECT),
        ("setup.cfg", "[metadata]\n", None),
        ("pyproject.toml", "[tool.pytest.ini_options]\n", NoticeKind.NO_EFFECT),
        ("pyproject.toml", "[project]\n", None),
        ("sitecustomize.py", "", NoticeKind.NO_EFFECT),
        ("usercustomize.py", "", NoticeKind.NO_EFFECT),
        ("a.pth", "import os\n", NoticeKind.NO_EFFECT),
        ("junit.xml", '<?xml version="1.0"?><testsuites/>', NoticeKind.NO_EFFECT),
        ("page.xml", "<page/>", None),
        ("pytest.py", "", NoticeKind.SHADOWS),
        ("_pytest/__init__.py", "", NoticeKind.SHADOWS),
        ("random.py", "", NoticeKind.SHADOWS),
        ("src/queue.py", "", NoticeKind.SHADOWS),
        ("pkg/random.py", "", None),
        ("stack.py", "", None),
        ("__pycache__/test_a.py", "def test_a(): assert f()\n", NoticeKind.HIDDEN),
        ("a/__pycache__/b.cpython-311.pyc", "x", NoticeKind.HIDDEN),
    ],
)
def test_files_beside_the_tests_are_named(
    tmp_path: Path, name: str, text: str, kind: NoticeKind | None
) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(text)
    reading = read_folder(str(tmp_path))

    assert [notice["kind"] for notice in reading["notices"]] == ([kind] if kind else [])
    assert checked_reading(reading) == reading


def test_a_reading_is_capped_and_says_by_how_much(tmp_path: Path) -> None:
    count = EXPECTED_IDS + 7
    (tmp_path / "test_a.py").write_text("".join(f"def test_{n}(): pass\n" for n in range(count)))
    (tmp_path / "conftest.py").write_text("collect_ignore = []\n")
    reading = read_folder(str(tmp_path))

    assert (len(reading["expected_ids"]), reading["ids_left_out"]) == (EXPECTED_IDS, 7)
    assert (len(reading["notices"]), reading["notices_left_out"]) == (NOTICES, count + 1 - NOTICES)
    assert reading["notices"][0]["kind"] == NoticeKind.CHANGES_SESSION
    assert checked_reading(reading) == reading


def test_links_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "test_a.py").write_text("def test_a(): assert f()\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "test_b.py").symlink_to(tmp_path / "elsewhere" / "test_a.py")

    assert read_folder(str(tmp_path / "folder"))["expected_ids"] == []


@pytest.mark.parametrize("codec", ["bz2", "zlib_codec", "nowhere", "idna", "punycode", "utf-7", "undefined"])
def test_a_source_in_a_strange_encoding_breaks_nothing(codec: str) -> None:
    source = f"# coding: {codec}\nx = 1  # noqa\n".encode()

    assert read_sources({"test_a.py": source, "conftest.py": source, "m.py": source})[0] == {}


@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_no_bytes_are_taken_for_a_reading_or_break_it(raw: bytes) -> None:
    assert parse_reading(raw) is None
    read_sources({"test_a.py": raw, "conftest.py": raw})


@pytest.mark.parametrize(
    "source",
    [
        "".join(f"class T{n + 1}(T{n}): pass\n" for n in range(2000)),
        "def f():\n" + "".join(f" if x == {n}:\n  pass\n el" for n in range(3000)) + "se:\n  pass\n",
        "x = 1 #" + "# " * 100_000,
        "a" + ".a" * 3000 + "\n",
    ],
    ids=["lineage", "elif chain", "hashes", "attributes"],
)
def test_a_bomb_for_the_reader_is_read_or_named(source: str) -> None:
    read_sources({"test_a.py": source.encode(), "conftest.py": source.encode()})


def test_each_test_says_how_much_it_asserts() -> None:
    source = (
        "def test_a():\n    assert f() == 1\n    for x in y:\n        assert x\n        assert True\n"
        "def test_b(): pass\n"
        "def check_it(): assert f()\n"
        "def test_c(): check_it()\n"
    )
    found, _ = read_sources({"test_a.py": source.encode()})

    assert found == {"test_a.py::test_a": 2, "test_a.py::test_b": 0, "test_a.py::test_c": 1}


PLACEHOLDERS = [
    "def f(): pass\n",
    'def f():\n    """Say."""\n    pass\n',
    "def f(): ...\n",
    'def f() -> int:\n    """Say."""\n',
    'def f():\n    """TODO: write it."""\n',
    "class A:\n    def f(self): pass\n",
    "class A:\n    def f(self): raise NotImplementedError('later')\n",
    "if x:\n    class A:\n        async def f(self): ...\n",
    "def g():\n    def f(): pass\n    return f\n",
]
WRITTEN = [
    "class Error(Exception): pass\n",
    'class Error(Exception):\n    """Say."""\n    ...\n',
    "class A(Protocol):\n    def f(self) -> int: ...\n",
    "class A(ABC):\n    @abstractmethod\n    def f(self): pass\n",
    "class A(metaclass=ABCMeta):\n    def f(self): raise NotImplementedError\n",
    "class A:\n    def f(self): raise NotImplementedError\nclass B(A):\n    def f(self): return 1\n",
    "@overload\ndef f(x: int) -> int: ...\n",
    "class A:\n    def __init__(self): pass\n",
    "class Handler(Base):\n    def log_message(self, *rest): pass\n",
    'def f():\n    """Say."""\n',
    "def f():\n    try:\n        g()\n    except KeyError:\n        pass\n",
    "def f():\n    for x in y: pass\n    return 'TODO'\n",
]


@pytest.mark.parametrize("source", PLACEHOLDERS)
def test_a_function_that_is_not_written_is_named(source: str) -> None:
    (notice,) = said(m__py=source)

    assert notice.kind is NoticeKind.PLACEHOLDER
    assert notice.text.startswith("f is not written: ")


@pytest.mark.parametrize("source", WRITTEN)
def test_what_may_do_nothing_is_no_placeholder(source: str) -> None:
    assert said(m__py=source) == []


def test_tests_may_hold_functions_that_do_nothing() -> None:
    tests = "from m import f\ndef stub(): pass\ndef test_a(): assert f(stub)\n"

    assert said(test_m__py=tests, m__py="x = 1\n") == []


HIDING = [
    "self.users = {}",
    "self.users: dict[str, int] = {}",
    "self.users = defaultdict(list)",
    "self.users = [name for name in names]",
    "self.users = None",
]
FREE = [
    "self._users = {}",
    "self.users = users",
    "self.users = lambda: []",
    "self.users = Users()",
    "other.users = {}",
    "assert self.users == {}",
]


def class_with(line: str) -> str:
    start = f"class Blog:\n    def __init__(self, users):\n        {line}\n"
    return f"{start}    def users(self):\n        return 1\n"


@pytest.mark.parametrize("line", HIDING)
def test_plain_data_under_the_name_of_a_method_hides_it(line: str) -> None:
    (notice,) = said(m__py=class_with(line))

    assert (notice.kind, notice.line) == (NoticeKind.HIDES_METHOD, 3)
    assert notice.text.startswith("self.users hides the method Blog.users")


@pytest.mark.parametrize("line", FREE)
def test_what_may_be_called_in_a_method_s_place_hides_nothing(line: str) -> None:
    assert said(m__py=class_with(line)) == []


def test_a_property_stores_what_it_likes() -> None:
    source = class_with("self.users = {}").replace("    def users", "    @users.setter\n    def users")

    assert said(m__py=source) == []


CACHE = "class LRUCache:\n    def get(self): return 1\n"
REACHING = [
    "from lru_cache import LRUCache\n",
    "import lru_cache as c\n",
    "from .lru_cache import LRUCache\n",
    "import importlib\nc = importlib.import_module('lru_cache')\n",
    "import subprocess\nrun = ['python', 'lru_cache.py']\n",
    "from pathlib import Path\nfor path in Path('.').rglob('*.py'): compile(path.read_text(), 'x', 'exec')\n",
    "rows = open('table.csv').read()\n",
]


@pytest.mark.parametrize("start", REACHING)
def test_tests_that_reach_a_module_of_the_files_are_tests_of_them(start: str) -> None:
    assert said(test_x__py=f"{start}def test_a(): assert f()\n", lru_cache__py=CACHE) == []


def test_tests_that_reach_no_module_of_the_files_test_nothing() -> None:
    (notice,) = said(test_x__py="import math\ndef test_a(): assert math.pi\n", lru_cache__py=CACHE)

    assert (notice.kind, notice.path) == (NoticeKind.TESTS_NOTHING, "test_x.py")


def test_a_conftest_may_bring_what_is_tested() -> None:
    conftest = "import pytest, lru_cache\n@pytest.fixture\ndef cache(): return lru_cache.LRUCache()\n"
    found = said(test_x__py="def test_a(cache): assert cache\n", conftest__py=conftest, lru_cache__py=CACHE)

    assert found == []


def test_tests_that_another_file_of_tests_brings_reach_what_that_one_reaches() -> None:
    base = "import lru_cache\nclass Contract:\n    def test_a(self): assert lru_cache\n"
    inherited = (
        "from test_base import Contract\nclass TestB(Contract):\n    def test_b(self): assert self.x\n"
    )
    found = said(test_base__py=base, test_x__py=inherited, lru_cache__py=CACHE)

    assert [notice for notice in found if notice.kind is NoticeKind.TESTS_NOTHING] == []


def test_where_nothing_is_built_tests_need_not_reach_it() -> None:
    assert said(test_x__py="def test_a(): assert f()\n") == []


def test_a_class_that_tests_define_in_place_of_the_one_they_are_for_is_named() -> None:
    tests = f"{CACHE}def test_a(): assert LRUCache().get() == 1\n"
    kinds_found = [notice.kind for notice in said(test_lru_cache__py=tests, lru_cache__py=CACHE)]

    assert kinds_found == [NoticeKind.TESTS_NOTHING, NoticeKind.REIMPLEMENTS]


@pytest.mark.parametrize(
    "own",
    [
        "class LRUCache(lru_cache.LRUCache):\n    extra = 1\n",
        "class Clock:\n    def now(self): return 1\n",
    ],
)
def test_helpers_of_tests_and_subclasses_are_no_second_implementation(own: str) -> None:
    tests = f"import lru_cache\n{own}def test_a(): assert f()\n"

    assert said(test_lru_cache__py=tests, lru_cache__py=CACHE) == []
