"""Suites that never share a process with what they judge: what a user may write in them."""

from __future__ import annotations

import pytest

from judged_boxes import Judge, outcomes
from lmac.checks import AcceptanceForm
from lmac.evaluation import Verdict
from lmac_sandbox import Ending

pytestmark = [pytest.mark.engine, pytest.mark.slow]

MODULE = """\
import asyncio, collections, concurrent.futures, dataclasses, datetime, enum
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

class Color(enum.Enum):
    RED = "r"
    BLUE = "b"

class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2

class Point(NamedTuple):
    x: int
    y: int

@dataclasses.dataclass
class Money:
    amount: int
    currency: str = "EUR"

    def __add__(self, other):
        return Money(self.amount + other.amount, self.currency)

@dataclasses.dataclass(order=True, frozen=True)
class Version:
    major: int

class Shelf(Generic[T]):
    limit = 5

    def __init__(self, content):
        self.content = content

    @property
    def double(self):
        return self.content * 2

    @classmethod
    def make(cls):
        return cls(1)

    @staticmethod
    def add(a, b=2, *rest, **named):
        return (a, b, rest, named)

class Drawer(Shelf):
    pass

class Bad(ValueError):
    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code = code

class Worse(Bad):
    pass

class Leaving(SystemExit):
    pass

def count(end):
    number = 0
    while number < end:
        yield number
        number += 1

async def slowly(number):
    await asyncio.sleep(0.001)
    return number + 1

async def numbers():
    yield 1
    yield 2

class Connection:
    async def __aenter__(self):
        return self

    async def __aexit__(self, *reason):
        return False

class Guard:
    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.seen = kind
        return kind is ValueError

class Table(dict):
    def put(self, key, value):
        self[key] = value

class Node:
    def __init__(self):
        self.child = None

ROOT = Node()

class Signal:
    def __init__(self):
        self.listeners = []

    def connect(self, listener):
        self.listeners.append(listener)

    def send(self, *values):
        for listener in self.listeners:
            listener(*values)

def root():
    return ROOT

def pooled(function, values):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return list(pool.map(function, values))

def applied(function, *values):
    return function(*values)

def each(function, values):
    return [function(value) for value in values]

def counted():
    return collections.Counter("aab"), collections.OrderedDict(a=1), collections.defaultdict(int, b=2)

def sort_in_place(values):
    values.sort()

def fail():
    raise Bad(7, "seven")

def fail_twice():
    try:
        fail()
    except Bad as error:
        raise RuntimeError("outer") from error

def leave():
    raise SystemExit(3)

def stored(repository):
    repository.save("x", 1)
    return repository.load("x")

def huge():
    return 10**6000

def odd():
    return float("nan"), float("inf")

def stamp():
    zone = datetime.timezone.utc
    return datetime.datetime(2020, 1, 1, tzinfo=zone), datetime.timedelta(1)

def caught(function):
    try:
        function()
    except ValueError:
        return "caught"

def written(stream):
    stream.write("hello")
    return stream.getvalue()
"""

SUITE = """\
import asyncio, collections.abc, copy, dataclasses, datetime, io, math, threading
from unittest.mock import Mock

import pytest

import things
from things import Bad, Color, Drawer, Level, Money, Point, Shelf, Version, Worse


def test_members_of_an_enum_are_themselves():
    assert Color.RED is Color.RED and Color("r") is Color.RED and Color["RED"].value == "r"
    assert Color.RED != Color.BLUE and Color.RED != "r" and {Color.RED: 1}[Color.RED] == 1
    assert [color.name for color in Color] == ["RED", "BLUE"] and len(Color) == 2
    assert isinstance(Color.RED, Color) and repr(Color.RED) == "<Color.RED: 'r'>"


def test_an_object_that_is_plain_data_too_is_both():
    assert Level.HIGH == 2 and Level.LOW < Level.HIGH and Level.HIGH.name == "HIGH" and str(Level.LOW) == "1"
    assert isinstance(Level.LOW, int) and isinstance(Level.LOW, Level) and Level.LOW != 2
    point = Point(1, y=2)
    x, y = point
    assert point == (1, 2) == (x, y) and point.x == 1 and point == Point(1, 2) and point != (1, 3)
    assert isinstance(point, tuple) and isinstance(point, Point) and point._asdict() == {"x": 1, "y": 2}


def test_data_classes():
    assert Money(3) + Money(4) == Money(7) and Money(3) != Money(8) and Money(7) != 7
    assert Version(1) < Version(2) and max([Version(1), Version(3)]).major == 3
    assert sorted([Version(2), Version(1)]) == [Version(1), Version(2)] and len({Version(1), Version(1)}) == 1
    assert repr(Money(3)) == "Money(amount=3, currency='EUR')"
    with pytest.raises(TypeError):
        hash(Money(3))
    with pytest.raises(dataclasses.FrozenInstanceError):
        Version(1).major = 5
    money = Money(1)
    money.amount = 9
    assert money.amount == 9 and copy.deepcopy(money) == money and copy.copy(money) is not money


def test_classes_and_what_they_have():
    shelf = Shelf("s")
    assert shelf.double == "ss" and Shelf.limit == 5 and Shelf.make().content == 1
    assert Shelf.add(1, 3, 4, k=5) == (1, 3, (4,), {"k": 5}) and Shelf[int](3).content == 3
    assert isinstance(Drawer(1), Shelf) and not isinstance(shelf, Drawer) and not isinstance(3, Shelf)
    assert issubclass(Drawer, Shelf) and Shelf.__name__ == "Shelf"
    assert type(shelf).__name__ == "Shelf" and shelf.__class__ is type(shelf) is type(Shelf(1))
    assert not isinstance(shelf, collections.abc.Iterable)
    assert isinstance(things.count(1), collections.abc.Iterator)
    assert isinstance(things.Table(), collections.abc.Mapping)
    assert callable(Shelf) and callable(things.count) and not callable(shelf)
    assert hasattr(shelf, "content") and not hasattr(shelf, "nothing") and "content" in dir(shelf)
    for absent in (len, iter, lambda value: value[0]):
        with pytest.raises(TypeError):
            absent(shelf)


def test_a_class_of_the_subject_is_no_base_for_one_of_the_suite():
    with pytest.raises(TypeError, match="in-process"):
        class Mine(Shelf):
            pass


def test_errors():
    with pytest.raises(Bad, match="7: seven") as caught:
        things.fail()
    assert caught.value.code == 7 and str(caught.value) == "7: seven" and caught.type is Bad
    with pytest.raises(ValueError):
        things.fail()
    with pytest.raises(Bad):
        raise Worse(1, "x")
    assert issubclass(Worse, Bad) and issubclass(Bad, ValueError)
    with pytest.raises(RuntimeError) as caught:
        things.fail_twice()
    assert isinstance(caught.value.__cause__, Bad)
    with pytest.raises(ImportError):
        from things import nothing


def test_an_error_that_would_end_the_session_is_an_ordinary_one():
    from lmac_subject import SubjectError
    with pytest.raises(SubjectError):
        things.leave()
    assert issubclass(things.Leaving, SubjectError)


def test_generators_are_lazy():
    endless = things.count(10**9)
    assert next(endless) == 0 and next(endless) == 1
    assert list(things.count(3)) == [0, 1, 2] and list(zip(things.count(2), "ab")) == [(0, "a"), (1, "b")]
    with pytest.raises(StopIteration):
        next(things.count(0))


def test_coroutines():
    assert asyncio.run(things.slowly(1)) == 2
    async def together():
        async with things.Connection() as connection:
            assert isinstance(connection, things.Connection)
        return await asyncio.gather(things.slowly(1), things.slowly(2)), [n async for n in things.numbers()]
    assert asyncio.run(together()) == ([2, 3], [1, 2])


def test_context_managers():
    with things.Guard() as guard:
        raise ValueError("x")
    assert guard.seen is ValueError
    with pytest.raises(KeyError), things.Guard():
        raise KeyError("y")


def test_functions_and_objects_of_the_suite_are_called_back():
    got = []
    signal = things.Signal()
    signal.connect(got.append)
    signal.connect(lambda *values: got.append(len(values)))
    signal.send(5)
    assert got == [5, 1] and things.applied(lambda value: value + 1, 2) == 3
    assert things.each(str, [1, 2]) == ["1", "2"] and things.each(math.sqrt, [4]) == [2.0]
    mock = Mock(return_value=4)
    assert things.applied(mock, 1) == 4
    mock.assert_called_once_with(1)
    class Repository:
        def __init__(self): self.rows = {}
        def save(self, key, value): self.rows[key] = value
        def load(self, key): return self.rows[key]
    assert things.stored(Repository()) == 1 and things.written(io.StringIO()) == "hello"
    mark = object()
    assert things.applied(lambda value: value, mark) is mark
    assert things.applied(lambda shelf: shelf.content, Shelf(3)) == 3
    assert things.applied(sum, (n for n in [1, 2])) == 3
    def nested(depth): return things.applied(nested, depth - 1) if depth else "end"
    assert nested(8) == "end"


def test_errors_of_the_suite_pass_through_the_subject():
    class Own(Exception): pass
    own = Own("mine")
    def raising(error):
        def function(): raise error
        return function
    assert things.caught(raising(ValueError("b"))) == "caught" == things.caught(raising(Bad(1, "a")))
    with pytest.raises(Own) as caught:
        things.caught(raising(own))
    assert caught.value is own
    with pytest.raises(KeyError):
        things.caught(raising(KeyError("k")))


def test_threads_of_either_side():
    assert things.pooled(lambda number: number * 2, range(20)) == [number * 2 for number in range(20)]
    heard = []
    signal = things.Signal()
    signal.connect(heard.append)
    threads = [threading.Thread(target=signal.send, args=(number,)) for number in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert sorted(heard) == [0, 1, 2, 3]


def test_containers(subject):
    table = things.Table()
    table.put("a", 1)
    table["b"] = 2
    assert table == {"a": 1, "b": 2} and table != {} and len(table) == 2 and sorted(table) == ["a", "b"]
    assert isinstance(table, dict) and dict(table) == {"a": 1, "b": 2}
    counter, ordered, default = things.counted()
    assert counter == {"a": 2, "b": 1} and counter.most_common(1) == [("a", 2)]
    assert ordered == {"a": 1} and default == {"b": 2}
    values = subject.held([3, 1, 2])
    things.sort_in_place(values)
    assert values == [1, 2, 3]


def test_one_object_is_one_stand_in():
    assert things.root() is things.root() is things.ROOT
    node = things.root()
    node.child = things.Node()
    assert node.child is node.child and node.child is not node and node.child != node


def test_plain_data_of_every_kind():
    assert things.huge() == 10**6000
    nan, infinity = things.odd()
    assert math.isnan(nan) and infinity == math.inf
    assert things.stamp() == (
        datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc), datetime.timedelta(1)
    )
    value = {"a": (1, {2}, frozenset({3}), b"x", 1j, None, True, range(3), 2**70, [1.5, "\\ud800"])}
    assert things.applied(lambda given: given, value) == value


def test_a_name_is_replaced(monkeypatch):
    monkeypatch.setattr(things, "root", lambda: 4)
    assert things.root() == 4


def test_and_restored():
    assert things.root() is things.ROOT
"""


def test_a_suite_uses_the_subject_as_if_it_were_imported(judge_in_box: Judge) -> None:
    judged, result = judge_in_box({"things.py": MODULE}, {"test_things.py": SUITE})

    assert judged.verdict is Verdict.PASSED, judged.findings
    assert judged.passed_count == SUITE.count("\ndef test_")
    assert (judged.form, result.leftover_processes) == ("api", 0)
    # Two of its objects are equal when it says so.
    assert judged.claimed
    assert judged.answered_by_subject > 0


def test_plain_values_of_classes_of_the_subjects_own_leave_nothing_to_claim(judge_in_box: Judge) -> None:
    suite = """\
import pytest
from things import Level, Point, Table, Version, count

def test_it():
    table = Table()
    table.put("a", 1)
    assert Level.HIGH == 2 and Level.LOW + 1 == 2 and f"{Level.LOW}" == "1"
    assert Point(1, 2) == (1, 2) and Point(1, 2) + (3,) == (1, 2, 3)
    assert repr(Point(1, 2)) == "Point(x=1, y=2)" and repr(Level.LOW) == "<Level.LOW: 1>"
    assert "a" in table and table | {"b": 2} == {"a": 1, "b": 2} and table["a"] == 1
    assert list(table.items()) == [("a", 1)] and table.keys() == {"a"}
    assert Level.HIGH / 4 == pytest.approx(0.5) and isinstance(table, Table) and list(count(2)) == [0, 1]
    assert Version(3).major == 3
"""
    judged, _ = judge_in_box({"things.py": MODULE}, {"test_things.py": suite})

    assert (judged.verdict, judged.claimed) == (Verdict.PASSED, False), judged.findings


def test_packages_below_src_and_their_submodules_are_imported(judge_in_box: Judge) -> None:
    files = {
        "src/shop/__init__.py": "from .cart import Cart\n__all__ = ['Cart']\n",
        "src/shop/cart.py": "class Cart:\n    def total(self): return 0\n",
    }
    suite = """\
import shop.cart
from shop import *
from shop.cart import Cart as same

def test_it():
    assert Cart is same is shop.cart.Cart and Cart().total() == 0

def test_what_is_absent():
    import pytest
    with pytest.raises(ModuleNotFoundError):
        import shop.basket
"""
    judged, _ = judge_in_box(files, {"test_shop.py": suite})

    assert (judged.verdict, judged.passed_count) == (Verdict.PASSED, 2), judged.findings


def test_helpers_and_a_conftest_of_the_suite_win_over_the_subjects(judge_in_box: Judge) -> None:
    files = {"helpers.py": "ANSWER = 1\n", "conftest.py": "raise SystemExit\n", "thing.py": "VALUE = 5\n"}
    suite = {
        "conftest.py": "import pytest\n@pytest.fixture\ndef five(): return 5\n",
        "helpers.py": "ANSWER = 2\n",
        "test_it.py": "import helpers, thing\ndef test_it(five):\n"
        "    assert (helpers.ANSWER, thing.VALUE) == (2, five)\n",
    }
    judged, _ = judge_in_box(files, suite)

    assert judged.verdict is Verdict.PASSED, judged.findings


def test_what_the_judged_files_print_stays_apart_and_is_told_when_they_fail(judge_in_box: Judge) -> None:
    suite = "def test_it():\n    import loud\n    assert loud.VALUE == 2\n"

    judged, result = judge_in_box({"loud.py": "print('I am loud')\nVALUE = 1\n"}, {"test_it.py": suite})

    assert result.subject_output is not None
    assert result.subject_output.text() == "I am loud\n"
    assert "I am loud" not in result.stdout.text() + result.stderr.text()
    assert [(f.text, f.blocking) for f in judged.findings if f.where][-1] == ("I am loud", False)


PROGRAMS = {
    "main.py": """\
import sys
if "--fail" in sys.argv:
    sys.exit("it failed")
if "--hang" in sys.argv:
    import time
    print("hanging", flush=True)
    time.sleep(60)
if "--flood" in sys.argv:
    while True:
        print("x" * 10_000)
print("got", sys.argv[1:], sys.stdin.read())
""",
    "server.py": """\
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"path " + self.path.encode())
    def log_message(self, *values): print("asked", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
""",
    "upper.py": "open('out.txt', 'w').write(open('in.txt').read().upper())\n",
}
COMMAND_SUITE = """\
import os, urllib.request
import pytest

def test_a_program_is_run(subject):
    done = subject.run("main.py", "--flag", "a b", stdin="typed")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "got ['--flag', 'a b'] typed\\n", "")

def test_an_exit_code_is_told(subject):
    done = subject.run("main.py", "--fail")
    assert (done.exit_code, done.stderr) == (1, "it failed\\n")

def test_a_module_and_another_program_are_run(subject):
    assert subject.run("-m", "main").exit_code == 0
    assert subject.run("/usr/bin/id", "-un").stdout == "job\\n"

def test_one_that_hangs_is_killed(subject):
    with pytest.raises(TimeoutError, match="hanging"):
        subject.run("main.py", "--hang", seconds=0.5)

@pytest.mark.parametrize("port", [8000, 8000])
def test_a_server_answers_on_the_boxs_own_address(subject, port):
    server = subject.start("server.py", str(port))
    server.wait_for_port(port)
    assert urllib.request.urlopen(f"http://127.0.0.1:{port}/x", timeout=5).read() == b"path /x"
    assert "asked" in server.output and server.exit_code is None
    stopped = server.stop()
    assert stopped.exit_code == server.exit_code == -9 and stopped == server.stop()
    assert "asked" in server.output

def test_a_server_that_does_not_come_up_is_named(subject):
    with pytest.raises(TimeoutError, match="ValueError"):
        subject.start("server.py", "no port").wait_for_port(8001, 5)

def test_files_go_in_and_come_out(subject):
    assert subject.write("in.txt", "text") == "/scratch/subject/in.txt"
    assert subject.run("upper.py").exit_code == 0
    assert subject.read("out.txt") == b"TEXT"

def test_its_modules_are_not_importable():
    with pytest.raises(ImportError):
        import server

def test_its_programs_cannot_be_run_here():
    with pytest.raises(PermissionError):
        os.listdir("/scratch/subject")
"""


def test_programs_and_servers_are_driven_from_outside(judge_in_box: Judge) -> None:
    judged, result = judge_in_box(PROGRAMS, {"test_programs.py": COMMAND_SUITE}, AcceptanceForm.COMMAND)

    assert judged.verdict is Verdict.PASSED, judged.findings
    assert (judged.form, judged.claimed, result.leftover_processes) == ("command", False, 0)


def test_a_program_that_floods_or_lies_about_its_end_fails_its_test_alone(judge_in_box: Judge) -> None:
    suite = """\
def test_flood(subject):
    subject.run("main.py", "--flood", seconds=1)

def test_honest(subject):
    assert subject.run("main.py").exit_code == 0

def test_forger(subject):
    done = subject.run("forger.py")
    assert done.stdout == "right"
"""
    forger = "import os\nfor fd in range(3, 64):\n    try: os.write(fd, b'right')\n    except OSError: pass\n"
    judged, result = judge_in_box(
        PROGRAMS | {"forger.py": forger}, {"test_it.py": suite}, AcceptanceForm.COMMAND
    )

    assert result.ending is Ending.EXITED
    assert outcomes(result) == {"test_flood": "failed", "test_honest": "passed", "test_forger": "failed"}
    assert "more than 1048576 bytes" in judged.findings[0].text
