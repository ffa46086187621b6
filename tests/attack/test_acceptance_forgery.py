"""Generated code that wants to pass an acceptance suite without doing what it asks, each run for real.

The suite of most rows calls `subject_code.answer()` and wants 42, twice. A row passes when no test passes, or
only those that were honestly answered, and when the reason is named.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from judged_boxes import LIMITS, Judge, outcomes
from lmac.checks import AcceptanceForm
from lmac.evaluation import Verdict
from lmac_sandbox import Ending

pytestmark = [pytest.mark.engine, pytest.mark.slow]

SUITE = """\
def test_first():
    from subject_code import answer
    assert answer() == 42

def test_second():
    from subject_code import answer
    assert answer() == 42

def test_third_wants_an_error():
    import pytest
    from subject_code import refuse
    with pytest.raises(Exception):
        refuse()
"""
HONEST = "def answer(): return 42\ndef refuse(): raise ValueError('no')\n"

LINK = """\
import gc
server = next(o for o in gc.get_objects() if type(o).__name__ == "SubjectServer")
link = server._link
def raw(data): link._socket.sendall(data)
def forge(frame):
    import json
    body = json.dumps(frame).encode()
    raw(len(body).to_bytes(4, "big") + body)
class Answering:
    "Answers every call with a frame of its own."
    def __init__(self, frame): self.frame = frame
    def __call__(self):
        import threading
        original = link.send
        def send(frame):
            link.send = original
            forge({"id": frame["id"], **self.frame} if isinstance(self.frame, dict) else self.frame(frame))
        link.send = send
"""


@dataclass(frozen=True, slots=True)
class Forgery:
    """One hostile module."""

    name: str
    code: str
    told: str = ""
    """Stands in a finding."""
    ending: Ending = Ending.EXITED


FORGERIES = (
    Forgery(
        "an object equal to anything",
        """\
class Yes:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __hash__ = None
    def __bool__(self): return True
def answer(): return Yes()
def refuse(): return Yes()
""",
    ),
    Forgery(
        "a number equal to anything",
        """\
class Yes(int):
    def __eq__(self, other): return True
    def __int__(self): return 42
    def __index__(self): return 42
    __hash__ = int.__hash__
def answer(): return Yes(7)
def refuse(): return Yes(7)
""",
    ),
    Forgery(
        "a text and a tuple that hold anything",
        """\
class Text(str):
    def __contains__(self, part): return True
    def __len__(self): return 42
    def __bool__(self): return False
def answer():
    class Row(tuple):
        def __contains__(self, item): return True
        def __len__(self): return 42
        def __getitem__(self, place): return 42
        def __iter__(self): return iter([42])
        def __eq__(self, other): return True
    return Row([41])
def refuse(): return Text("x")
""",
    ),
    Forgery(
        "a number without differences and without order",
        """\
class Close(float):
    __sub__ = __rsub__ = __abs__ = __add__ = lambda self, other=0: 0.0
    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = lambda self, other: True
    __contains__ = lambda self, item: True
    __round__ = lambda self, digits=0: 42
    __float__ = __trunc__ = lambda self: 42.0
    __hash__ = lambda self: hash(42)
def answer(): return Close(7.0)
def refuse(): return Close(7.0)
""",
    ),
    Forgery(
        "the server is killed", "import os\ndef answer(): os._exit(0)\nrefuse = answer\n", "process is gone"
    ),
    Forgery(
        "the server is killed where an error is wanted",
        "import os\ndef answer(): return 41\ndef refuse(): os.kill(os.getpid(), 9)\n",
        "process is gone",
    ),
    Forgery(
        "SystemExit",
        "def answer(): raise SystemExit(0)\nimport sys\ndef refuse(): return sys\n",
        "subject.SystemExit",
    ),
    Forgery(
        "KeyboardInterrupt at import",
        "raise KeyboardInterrupt\n",
        "subject.KeyboardInterrupt",
    ),
    Forgery(
        "a skip of pytest's",
        "import pytest\ndef answer(): pytest.skip('not today')\ndef refuse(): return 1\n",
        "Skipped",
    ),
    Forgery(
        "a skip of unittest's",
        "import unittest\ndef answer(): raise unittest.SkipTest('x')\ndef refuse(): return 1\n",
        "SkipTest",
    ),
    Forgery(
        "the end of the session",
        "import pytest\ndef answer(): pytest.exit('all is well', returncode=0)\ndef refuse(): return 1\n",
        "Exit",
    ),
    Forgery(
        "an expected failure",
        "import pytest\ndef answer(): pytest.xfail('known')\ndef refuse(): return 1\n",
        "XFailed",
    ),
    Forgery(
        "an answer to another request",
        LINK + "def answer(): Answering(lambda f: {'id': f['id'] + 7, 'value': 42})()\nrefuse = answer\n",
        "answered what was not asked",
    ),
    Forgery(
        "bytes that are no frame",
        LINK + "def answer(): raw(b'\\x00\\x00\\x00\\x05hello')\nrefuse = answer\n",
        "the exchange broke",
    ),
    Forgery(
        "a frame that announces gigabytes",
        LINK + "def answer(): raw(b'\\x7f\\xff\\xff\\xff' * 9)\nrefuse = answer\n",
        "the limit is",
    ),
    Forgery(
        "JSON of a hundred thousand levels",
        LINK
        + """\
def answer():
    body = b'{"id":1,"value":' + b'[' * 100_000 + b']' * 100_000 + b'}'
    raw(len(body).to_bytes(4, "big") + body)
refuse = answer
""",
        "the exchange broke",
    ),
    Forgery(
        "a number of a million digits as JSON",
        LINK
        + """\
def answer():
    body = b'{"id":1,"value":' + b'9' * 1_000_000 + b'}'
    raw(len(body).to_bytes(4, "big") + body)
refuse = answer
""",
        "the exchange broke",
    ),
    Forgery(
        "a handle of no kind",
        LINK + "def answer(): Answering({'value': {'$': 'handle', 'id': 1}})()\nrefuse = answer\n",
        "sent no value",
    ),
    Forgery(
        "a mask with methods that there are not",
        LINK
        + "mark = {'$': 'handle', 'id': 1, 'mask': 1 << 200, 'base': '', 'name': ''}\n"
        + "def answer(): Answering({'value': mark})()\n"
        + "refuse = answer\n",
        "sent no value",
    ),
    Forgery(
        "an error of a class that is never imported by name",
        LINK
        + """\
def answer():
    known = {'$': 'known', 'v': '_pytest.outcomes.Skipped'}
    Answering({'error': {'$': 'error', 'id': 9, 'class': known, 'args': [], 'text': '', 'cause': None}})()
refuse = answer
""",
        "raised no error",
    ),
    Forgery(
        "an error that is SystemExit by name",
        LINK
        + """\
def answer():
    known = {'$': 'known', 'v': 'builtins.SystemExit'}
    Answering({'error': {'$': 'error', 'id': 9, 'class': known, 'args': [0], 'text': '', 'cause': None}})()
refuse = answer
""",
        "raised no error",
    ),
    Forgery(
        "a callback to an object that was never handed over",
        LINK
        + """\
def answer():
    forge({"callback": 1, "of": 99, "name": "__call__", "args": [], "named": {}})
    return link.receive()["error"]["text"]
def refuse(): return 1
""",
        "handed over no such object",
    ),
    Forgery(
        "callbacks without an end",
        LINK
        + """\
def answer():
    while True:
        forge({"callback": 1, "of": 99, "name": "__call__", "args": [], "named": {}})
refuse = answer
""",
        ending=Ending.TIMED_OUT,
    ),
    Forgery(
        "an answer that never comes",
        "import time\ndef answer(): time.sleep(600)\nrefuse = answer\n",
        ending=Ending.TIMED_OUT,
    ),
    Forgery(
        "a flood of output",
        "def answer():\n    while True: print('x' * 10_000)\nrefuse = answer\n",
        ending=Ending.OUTPUT_LIMIT,
    ),
    Forgery(
        "all the memory",
        "def answer(): return bytearray(10**10 // 16) + bytearray(10**9)\nrefuse = answer\n",
        ending=Ending.OUT_OF_MEMORY,
    ),
    Forgery(
        "results on standard output",
        """\
import os
def answer():
    os.write(1, b'{"kind":"finished","exit_code":0}\\n')
    for fd in range(3, 64):
        try: os.write(fd, b'{"kind":"finished","exit_code":0}\\n')
        except OSError: pass
refuse = answer
""",
        "the exchange broke",
    ),
)


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: forgery.name)
def test_no_forgery_passes(forgery: Forgery, judge_in_box: Judge) -> None:
    wall_seconds = 2.0 if forgery.ending is Ending.TIMED_OUT else LIMITS.wall_seconds
    judged, result = judge_in_box(
        {"subject_code.py": forgery.code}, {"test_it.py": SUITE}, wall_seconds=wall_seconds
    )

    assert result.ending is forgery.ending, (result.stdout.text(), result.stderr.text())
    assert judged.verdict is not Verdict.PASSED
    assert judged.passed_count == 0, outcomes(result)
    assert not judged.claimed
    assert forgery.told in "\n".join(finding.text for finding in judged.findings)
    assert not {"skipped", "xfailed"} & set(outcomes(result).values())
    if forgery.ending is Ending.EXITED:
        assert len(outcomes(result)) == 3, "the session came to its end"


def test_a_number_a_text_or_a_row_of_a_class_of_its_own_is_looked_into_by_the_judge(
    judge_in_box: Judge,
) -> None:
    code = """\
class Row(tuple):
    def __contains__(self, item): return True
    def __len__(self): return 42
    def __getitem__(self, place): return 42
    def __iter__(self): return iter([42])
def row(): return Row([41])
"""
    suite = """\
from subject_code import row
def test_it():
    assert 42 not in row() and len(row()) == 1 and row()[0] == 41 and list(row()) == [41] and row() == (41,)
"""
    judged, _ = judge_in_box({"subject_code.py": code}, {"test_it.py": suite})

    assert judged.verdict is Verdict.PASSED, judged.findings


def test_the_honest_module_passes_the_same_suite(judge_in_box: Judge) -> None:
    judged, _ = judge_in_box({"subject_code.py": HONEST}, {"test_it.py": SUITE})

    assert (judged.verdict, judged.passed_count) == (Verdict.PASSED, 3)
    assert (judged.form, judged.claimed) == ("api", False)


def test_in_process_the_object_that_is_equal_to_anything_passes_and_is_claimed(judge_in_box: Judge) -> None:
    code = "class Yes:\n    def __eq__(self, other): return True\ndef answer(): return Yes()\n"
    code += "def refuse(): raise ValueError\n"

    judged, _ = judge_in_box({"subject_code.py": code}, {"test_it.py": SUITE}, AcceptanceForm.IN_PROCESS)

    assert judged.verdict is Verdict.PASSED
    assert (judged.form, judged.claimed) == ("in-process", True)


REACHES = """\
import ctypes, errno, os, signal, socket, glob
def tried(action):
    try:
        return "DONE " + repr(action())[:80]
    except OSError as error:
        return errno.errorcode[error.errno]
libc = ctypes.CDLL(None, use_errno=True)
def traced(pid):
    if libc.ptrace(16, pid, 0, 0) == -1:
        raise OSError(ctypes.get_errno(), "ptrace")
def signalled(pid):
    descriptor = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    finally:
        os.close(descriptor)
JUDGE = os.stat('/judge').st_uid
def owner(pid):
    return os.stat(f"/proc/{pid}").st_uid
def judges():
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and owner(name) == JUDGE]
def read(path):
    with open(path, "rb") as file:
        return file.read(100)
def reaches():
    (judge,) = judges()
    return {
        "memory": tried(lambda: read(f"/proc/{judge}/mem")),
        "memory to write": tried(lambda: open(f"/proc/{judge}/mem", "r+b")),
        "environment": tried(lambda: read(f"/proc/{judge}/environ")),
        "descriptors": tried(lambda: os.listdir(f"/proc/{judge}/fd")),
        "its root": tried(lambda: os.listdir(f"/proc/{judge}/root/judge")),
        "its folder": tried(lambda: os.listdir(f"/proc/{judge}/cwd")),
        "maps": tried(lambda: read(f"/proc/{judge}/maps")),
        "files": tried(lambda: os.listdir("/judge")),
        "suite": tried(lambda: read("/judge/suite/test_it.py")),
        "file to write": tried(lambda: open("/judge/suite/conftest.py", "w")),
        "kill": tried(lambda: os.kill(judge, signal.SIGKILL)),
        "stop": tried(lambda: os.kill(judge, signal.SIGSTOP)),
        "ptrace": tried(lambda: traced(judge)),
        "priority": tried(lambda: os.setpriority(os.PRIO_PROCESS, judge, 19)),
        "limits": tried(lambda: __import__("resource").prlimit(judge, 7, (3, 3))),
        "user": tried(lambda: os.setuid(JUDGE)),
        "oom": tried(lambda: open(f"/proc/{judge}/oom_score_adj", "w")),
        "pidfd": tried(lambda: signalled(judge)),
    }
def sockets():
    return open("/proc/net/unix").read().count("@"), open("/proc/net/tcp").read().count("\\n") - 1
def descriptors():
    return sorted(os.readlink(f"/proc/self/fd/{fd}").partition(":")[0] for fd in os.listdir("/proc/self/fd")
                  if os.path.exists(f"/proc/self/fd/{fd}"))
def planted():
    for folder in ("/tmp", "/scratch/home", "/scratch/tmp", "/dev/shm"):
        for name in ("conftest.py", "pytest.ini", "sitecustomize.py", "secrets.py", "test_extra.py"):
            with open(f"{folder}/{name}", "w") as file:
                file.write("raise SystemExit('planted')")
    return "planted"
"""
REACHING_SUITE = """\
import json, os, pwd, sys
SECRET = "the expected value"

def test_nothing_of_the_judge_is_within_reach():
    from subject_code import reaches
    got = reaches()
    assert not {name: said for name, said in got.items() if said not in ("EACCES", "EPERM")}

def test_no_socket_and_no_port_is_open():
    from subject_code import sockets
    assert sockets() == (0, 0)

def test_the_subject_has_its_link_and_nothing_else():
    from subject_code import descriptors
    assert descriptors() == ["/dev/null", "pipe", "pipe", "socket"]

def test_files_that_it_plants_are_never_read():
    from subject_code import planted
    assert planted() == "planted"
    import secrets
    assert secrets.__file__.startswith("/usr/lib/")
    for folder in sys.path:
        assert folder == "/judge/suite" or folder.startswith("/usr/"), sys.path
    places = (os.environ["HOME"], os.environ["TMPDIR"], os.getcwd())
    assert places == ("/judge/home", "/judge/tmp", "/judge/suite")
    assert os.getuid() == os.stat('/judge').st_uid and pwd.getpwuid(os.getuid()).pw_name == 'judge'

def test_what_it_wrote_cannot_even_be_listed_here(tmp_path):
    import pytest
    assert str(tmp_path).startswith("/judge/tmp/")
    with pytest.raises(PermissionError):
        os.listdir("/scratch/subject")
"""


def test_the_subject_reaches_nothing_of_the_judge(judge_in_box: Judge) -> None:
    judged, result = judge_in_box({"subject_code.py": REACHES}, {"test_it.py": REACHING_SUITE})

    assert judged.verdict is Verdict.PASSED, judged.findings
    assert judged.passed_count == 5
    assert result.leftover_processes == 0


CALLBACK_SUITE = """\
import subject_code

SECRET = 42

class Service:
    limit = 3
    def __init__(self):
        self._secret = SECRET
        self.inner = [1]
    def work(self): return "done"

def numbers():
    yield 1

def test_an_object_of_the_suite_shows_what_is_public_alone():
    service = Service()
    assert subject_code.look(service, "limit") == 3
    assert subject_code.look(service, "work") == "callable"
    assert subject_code.look(service, "_secret") == "AttributeError"
    assert subject_code.look(service, "__class__.__init__.__globals__") == "AttributeError"
    assert subject_code.look(service, "__dict__") == "AttributeError"

def test_functions_methods_and_generators_show_nothing():
    for value in (lambda: 1, Service().work, numbers(), Service):
        for name in ("__globals__", "__self__", "gi_frame", "__func__", "cr_frame", "mro", "work"):
            assert subject_code.look(value, name) == "AttributeError", (value, name)

def test_a_module_is_not_handed_over():
    import os, pytest
    with pytest.raises(ValueError, match="cannot be handed"):
        subject_code.look(os, "system")

def test_a_standard_function_is_the_subjects_own():
    import os
    assert subject_code.called(os.getuid) == os.stat('/scratch').st_uid != os.getuid()
"""
CALLBACK_CODE = """\
def look(value, path):
    for name in path.split("."):
        try:
            value = getattr(type(value), name) if False else value.__getattr__(name)
        except AttributeError:
            return "AttributeError"
    return "callable" if callable(value) and not isinstance(value, int) else value
def called(function): return function()
"""


def test_an_object_of_the_suite_leads_nowhere_in_the_suite(judge_in_box: Judge) -> None:
    judged, _ = judge_in_box({"subject_code.py": CALLBACK_CODE}, {"test_it.py": CALLBACK_SUITE})

    assert judged.verdict is Verdict.PASSED, judged.findings


def test_after_its_death_the_subject_passes_no_test_not_even_one_that_needs_it_no_more(
    judge_in_box: Judge,
) -> None:
    suite = SUITE + "\ndef test_fourth_needs_nothing():\n    assert True\n"
    code = "import os\ndef answer(): return 42\ndef refuse(): os._exit(0)\n"

    judged, result = judge_in_box({"subject_code.py": code}, {"test_it.py": suite})

    assert outcomes(result) == {
        "test_first": "passed",
        "test_second": "passed",
        "test_third_wants_an_error": "failed",
        "test_fourth_needs_nothing": "error",
    }
    assert judged.verdict is Verdict.FAILED


def test_comparisons_that_only_the_subject_can_answer_are_counted_and_a_blanket_yes_is_a_fault(
    judge_in_box: Judge,
) -> None:
    code = """\
class Money:
    def __init__(self, amount): self.amount = amount
    def __eq__(self, other): return self.amount == other.amount
    def __sub__(self, other): return 0.0
class Yes:
    def __eq__(self, other): return True
"""
    suite = """\
from subject_code import Money, Yes
def test_money():
    assert Money(1) == Money(1)
    assert Money(1) != Money(2)
def test_yes():
    assert Yes() == Yes()
"""
    judged, result = judge_in_box({"subject_code.py": code}, {"test_it.py": suite})

    assert outcomes(result) == {"test_money": "passed", "test_yes": "failed"}
    assert "equal to anything" in judged.findings[0].text
    assert (judged.answered_by_subject, judged.claimed) == (3, True)


LIARS = """\
nothing = lambda self, *other: 0.0
yes = lambda self, *other: True
class Float(float):
    __sub__ = __rsub__ = __abs__ = __round__ = __mod__ = nothing
    __lt__ = __gt__ = __le__ = __ge__ = __eq__ = yes
    __float__ = __int__ = nothing
    __str__ = __format__ = lambda self, *form: "3.14"
class Row(tuple):
    __contains__ = __eq__ = __gt__ = __lt__ = yes
    __add__ = __radd__ = __mul__ = lambda self, other: (42,)
class Text(str):
    __contains__ = __eq__ = __gt__ = __lt__ = yes
    __add__ = __mod__ = __str__ = __format__ = lambda self, *other: "secret"
    __len__ = __bool__ = lambda self: 42
    startswith = endswith = count = index = lambda self, *other: True
class List(list):
    __contains__ = __eq__ = __gt__ = __lt__ = __le__ = __ge__ = yes
    __add__ = __radd__ = __iadd__ = __mul__ = lambda self, other: [42]
    __sub__ = __rsub__ = nothing
    __iter__ = __reversed__ = lambda self: iter([42])
    __len__ = lambda self: 42
    count = index = yes
    __str__ = __format__ = lambda self, *form: "[42]"
class Dict(dict):
    __contains__ = __eq__ = yes
    __or__ = __ror__ = __ior__ = lambda self, other: {42: 42}
    __iter__ = lambda self: iter([42])
    keys = lambda self: {42}
class Set(set):
    __contains__ = __eq__ = __gt__ = __lt__ = __le__ = __ge__ = yes
    __sub__ = __rsub__ = __xor__ = __and__ = lambda self, other: set()
    issubset = issuperset = yes
class Bytes(bytearray):
    __contains__ = __eq__ = __gt__ = yes
def number(): return Float(7.0)
def row(): return Row([41])
def text(): return Text("x")
def values(): return List([41])
def table(): return Dict({41: 41})
def group(): return Set({41})
def raw(): return Bytes(b"x")
"""
LIES = (
    *("number() == pytest.approx(3.14)", "abs(number() - 3.14) < 1e-6", "abs(3.14 - number()) < 1e-6"),
    *("number() > 42", "42 < number()", "round(number(), 2) == 3.14", "float(number()) == 3.14"),
    *("math.isclose(number(), 3.14)", "str(number()) == '3.14'", "f'{number():.2f}' == '3.14'"),
    *("number() in (3.14, 42)", "number() % 2 == 0", "int(number()) == 0", "{3.14: 1}.get(number())"),
    *("42 in row()", "row() > (42,)", "row() + (1,) == (42,)", "(42,) == row()", "row() * 2 == (42,)"),
    *("'secret' in text()", "text() == 'secret'", "text() + 'a' == 'secret'", "text() % () == 'secret'"),
    *("str(text()) == 'secret'", "f'{text()}' == 'secret'", "len(text()) == 42", "text() > 'y'"),
    *("text().startswith('secret')", "text().count('secret')", "text().endswith('secret')"),
    *("42 in values()", "values() > [42]", "[42] < values()", "values() + [1] == [42]", "[42] == values()"),
    *("values() - 42 == 0.0", "list(values()) == [42]", "len(values()) == 42", "str(values()) == '[42]'"),
    *("operator.iadd(values(), [1]) == [42]", "list(reversed(values())) == [42]", "f'{values()}' == '[42]'"),
    *("42 in table()", "table() == {42: 42}", "table() | {} == {42: 42}", "list(table()) == [42]"),
    *(
        "42 in group()",
        "group() >= {42}",
        "{42} <= group()",
        "group() - {42} == set()",
        "{42} - group() == set()",
        "group().issuperset({42})",
        "values().count(42)",
        "table().keys() == {42}",
    ),
    *("b'secret' in raw()", "raw() > b'y'", "raw() == b'secret'", "[1, 42] == [1, number()]"),
)


def test_an_object_that_is_plain_data_too_is_a_plain_copy_in_every_expression(judge_in_box: Judge) -> None:
    tests = "".join(f"def test_{number}():\n    assert {lie}\n\n" for number, lie in enumerate(LIES))
    head = "import math, operator, pytest\nfrom subject_code import *\n"

    judged, result = judge_in_box({"subject_code.py": LIARS}, {"test_it.py": head + tests})

    passed = [name for name, outcome in outcomes(result).items() if outcome == "passed"]
    assert [LIES[int(name.removeprefix("test_"))] for name in passed] == []
    assert len(outcomes(result)) == len(LIES)
    assert (judged.answered_by_subject, judged.claimed) == (0, False)


WORDS = (
    "h() > 42",
    "42 > h()",
    "'secret' in h()",
    "h() - 42 == 0.0",
    "abs(h() - 42) < 0.1",
    "(42 - h()).size == 0",
    "h() == h()",
    "not h() != h()",
    "one() == one()",
    "sorted([h(), 42])",
    "max(h(), 42) == 42",
    "42 | h() == 0.0",
)
SPEAKER = """\
class Gap:
    size = 0
    __abs__ = lambda self: 0.0
    __eq__ = lambda self, other: other == 0.0
class Speaker:
    __gt__ = __contains__ = lambda self, other: True
    __lt__ = lambda self, other: other != 42 or True
    __eq__ = lambda self, other: type(other) is Speaker
    __sub__ = lambda self, other: Gap() if other != 42 else 0.0
    __rsub__ = lambda self, other: Gap()
    __ror__ = lambda self, other: 0.0
def h(): return Speaker()
ONE = object()
def one(): return ONE
"""


@pytest.mark.parametrize("word", WORDS)
def test_an_operator_that_the_subject_does_makes_the_verdict_its_claim(
    judge_in_box: Judge, word: str
) -> None:
    suite = f"from subject_code import h, one\ndef test_it():\n    assert {word}\n"

    judged, _ = judge_in_box({"subject_code.py": SPEAKER}, {"test_it.py": suite})

    assert (judged.verdict, judged.claimed) == (Verdict.PASSED, True), judged.findings
    assert judged.answered_by_subject >= 1


def test_a_class_says_once_what_its_ancestors_are_and_never_learns_why(judge_in_box: Judge) -> None:
    code = """\
class Meta(type):
    __instancecheck__ = __subclasscheck__ = lambda cls, other: True
    __mro__ = property(lambda cls: 1 / 0)
class Wanted(metaclass=Meta): pass
class Child(Wanted): pass
class Other:
    __class__ = Wanted
def other(): return Other()
def child(): return Child()
"""
    suite = """\
from subject_code import Child, Other, Wanted, child, other
def test_it():
    assert isinstance(child(), Wanted) and issubclass(Child, Wanted)
    assert not isinstance(other(), Wanted) and not issubclass(Other, Wanted) and not isinstance(3, Wanted)
"""
    judged, _ = judge_in_box({"subject_code.py": code}, {"test_it.py": suite})

    assert (judged.verdict, judged.claimed) == (Verdict.PASSED, False), judged.findings


def test_a_failed_assertion_leaves_the_subjects_with_block_without_its_words(judge_in_box: Judge) -> None:
    code = """\
SEEN = []
class Swallows:
    def __enter__(self): return self
    def __exit__(self, kind, error, trace):
        SEEN.append((kind.__name__, str(error), error.args))
        return True
    async def __aenter__(self): return self
    async def __aexit__(self, kind, error, trace): return self.__exit__(kind, error, trace)
def seen(): return SEEN
"""
    suite = """\
import asyncio, pytest
from subject_code import Swallows, seen
def test_plain():
    with Swallows():
        assert 41 == 42, "42 is expected"
def test_by_word():
    with Swallows():
        pytest.fail("42 is expected")
def test_async():
    async def run():
        async with Swallows():
            assert 41 == 42, "42 is expected"
    asyncio.run(run())
def test_seen():
    assert seen() == [("AssertionError", "", ())] * 3
def test_others_may_be_swallowed():
    with Swallows():
        raise ValueError
"""
    judged, result = judge_in_box({"subject_code.py": code}, {"test_it.py": suite})

    assert outcomes(result) == {
        **dict.fromkeys(("test_plain", "test_by_word", "test_async"), "failed"),
        "test_seen": "passed",
        "test_others_may_be_swallowed": "passed",
    }, judged.findings


def test_modules_that_pytest_and_the_standard_library_would_like_to_have_are_not_the_subjects(
    judge_in_box: Judge,
) -> None:
    files = {
        f"{name}.py": "def isscalar(value): return True\n" for name in ("numpy", "org", "mock", "argcomplete")
    }
    suite = """\
import importlib, pytest, pickle, sys
def test_it():
    for name in ("numpy", "mock"):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(name)
    with pytest.raises(pytest.skip.Exception):
        pytest.importorskip("argcomplete")
    assert not {"numpy", "org", "mock", "argcomplete"} & set(sys.modules)
    import argcomplete
"""
    judged, _ = judge_in_box(files, {"test_it.py": suite})

    assert judged.verdict is Verdict.PASSED, judged.findings


def test_names_that_a_suite_compares_with_are_not_replaced_by_an_import_of_all(judge_in_box: Judge) -> None:
    code = "class Any:\n    def __getattr__(self, name): return self\n"
    code += "    def __call__(self, *a, **k): return self\n"
    code += "pytest = sorted = math = Any()\ndef answer(): return 41\n"
    suite = """\
import math, pytest
from subject_code import *
def test_it():
    assert sorted([2, 1]) == [1, 2] and math.sqrt(4) == 2.0 and answer() == 41
    with pytest.raises(ValueError):
        raise ValueError
"""
    judged, _ = judge_in_box({"subject_code.py": code}, {"test_it.py": suite})

    assert judged.verdict is Verdict.PASSED, judged.findings


def test_the_words_of_a_failed_assertion_in_a_callback_stay_with_the_judge(judge_in_box: Judge) -> None:
    code = """\
def called(function):
    try:
        function()
    except AssertionError as error:
        return str(error), error.args
"""
    suite = """\
def test_it():
    from subject_code import called
    def check():
        assert 41 == 42, "42 is expected"
    assert called(check) == ("", ())
"""
    judged, _ = judge_in_box({"subject_code.py": code}, {"test_it.py": suite})

    assert judged.verdict is Verdict.PASSED, judged.findings


def test_a_module_that_shadows_the_standard_library_is_named_and_never_imported(judge_in_box: Judge) -> None:
    suite = "def test_it():\n    from queue import Stack\n"

    judged, _ = judge_in_box({"queue.py": "class Stack: pass\n"}, {"test_it.py": suite})

    assert judged.verdict is Verdict.FAILED
    assert "the subject's queue has the name of a module of the standard library" in judged.findings[0].text


OWN_MEMORY = """\
import base64, re

BASE64 = re.compile(rb"[A-Za-z0-9+/]{120,}")

def readable_memory():
    for line in list(open("/proc/self/maps")):
        span, mode = line.split()[:2]
        if "r" in mode and "/usr/" not in line and "[v" not in line:
            start, end = (int(part, 16) for part in span.split("-"))
            with open("/proc/self/mem", "rb") as memory:
                memory.seek(start)
                yield memory.read(end - start)

def seen(needle):
    count = 0
    for content in readable_memory():
        count += len(re.findall(needle.encode() + rb"[0-9a-f]{8}", content))
        for match in BASE64.finditer(content):
            for shift in range(4):
                text = match.group()[shift:]
                decoded = base64.b64decode(text[: len(text) // 4 * 4])
                count += len(re.findall(needle.encode() + rb"[0-9a-f]{8}", decoded))
    return count
"""


@pytest.mark.parametrize("lines", [40, 1000, 20000])
def test_the_suite_is_nowhere_in_the_subjects_memory(judge_in_box: Judge, lines: int) -> None:
    remarks = "".join(f"# NEEDLE-{number:08x}\n" for number in range(lines))
    # Said in two parts: what the suite asks for goes over, and must not be what is looked for.
    suite = "def test_it():\n    from spy import seen\n    assert seen('NEED' + 'LE-') == 0\n"
    judged, _ = judge_in_box({"spy.py": OWN_MEMORY}, {"test_it.py": suite + remarks})

    assert judged.verdict is Verdict.PASSED, judged.findings


ASKS_FOR_DIFFERENCES = """\
learned = []
class Number(float):
    def __sub__(self, other): learned.append(other); return 0.0
    __rsub__ = __sub__
class Collection(set):
    def difference(self, other): self.other = other; learned.append(other); return set()
    def __iter__(self): return iter(self.other)
def number(): return Number(7)
def collection(): return Collection([7])
def stopped(value): raise StopIteration
def called(mock): mock.configure_mock(assert_called_once_with=lambda *a: None)
"""
DIFFERENCES_SUITE = """\
import unittest, pytest
from unittest import mock
from subject_code import *

def test_approx(): assert number() == pytest.approx(42.0)
def test_approx_first(): assert pytest.approx(42.0) == number()
def test_approx_in_a_list(): assert [number()] == pytest.approx([42.0])
def test_approx_in_a_dict(): assert {"a": number()} == pytest.approx({"a": 42.0})
class TestCases(unittest.TestCase):
    def test_almost(self): self.assertAlmostEqual(number(), 42.0)
    def test_set(self): self.assertSetEqual(collection(), {1, 2})
def test_a_loop_that_ends_at_once():
    for got, wanted in zip(map(stopped, [1, 2]), [3, 4]): assert got == wanted
def test_a_mock():
    given = mock.Mock()
    called(given)
    given.assert_called_once_with(42)
def test_nothing_was_learned():
    import subject_code
    assert subject_code.learned == []
"""


def test_assertions_that_ask_for_a_difference_get_plain_data(judge_in_box: Judge) -> None:
    judged, result = judge_in_box(
        {"subject_code.py": ASKS_FOR_DIFFERENCES}, {"test_it.py": DIFFERENCES_SUITE}
    )

    assert {name for name, outcome in outcomes(result).items() if outcome == "passed"} == {
        "test_nothing_was_learned"
    }
    assert (judged.passed_count, judged.answered_by_subject) == (1, 0)


def test_results_that_are_one_object_and_operators_of_objects_are_counted(judge_in_box: Judge) -> None:
    code = """\
class Same:
    the = None
    def __new__(cls, *given):
        cls.the = cls.the or object.__new__(cls)
        return cls.the
    def __eq__(self, other): return NotImplemented
class Difference:
    def __abs__(self): return 0.0
class Number:
    def __sub__(self, other): return Difference()
class Items(list):
    def __contains__(self, item): return True
"""
    suite = """\
from subject_code import Items, Number, Same
def test_same(): assert Same(1) == Same(2)
def test_close(): assert abs(Number() - 42) < 0.1
def test_in(): assert 42 in Items()
"""
    judged, result = judge_in_box({"subject_code.py": code}, {"test_it.py": suite})

    assert outcomes(result) == {"test_same": "passed", "test_close": "passed", "test_in": "failed"}
    assert (judged.claimed, judged.answered_by_subject) == (True, 2)


OUTLIVES = """\
import os, socket, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 8123))
        listener.listen()
        value = b"empty"
        while True:
            asked = listener.accept()[0]
            value = asked.recv(100).removeprefix(b"get") or value
            asked.sendall(value)
            asked.close()
    os._exit(0)
time.sleep(60)
"""
OUTLIVING_SUITE = """\
import socket
def ask(line):
    with socket.create_connection(("127.0.0.1", 8123), 2) as asked:
        asked.sendall(line)
        return asked.recv(100)
def test_what_was_stored_is_there_after_a_restart(subject):
    first = subject.start("server.py")
    first.wait_for_port(8123)
    assert ask(b"kept") == b"kept"
    first.stop()
    subject.start("server.py").wait_for_port(8123)
    assert ask(b"get") == b"kept"
"""


def test_a_server_that_leaves_its_session_does_not_answer_for_the_next_one(judge_in_box: Judge) -> None:
    judged, result = judge_in_box(
        {"server.py": OUTLIVES}, {"test_it.py": OUTLIVING_SUITE}, AcceptanceForm.COMMAND
    )

    assert outcomes(result) == {"test_what_was_stored_is_there_after_a_restart": "failed"}
    assert "b'empty'" in judged.findings[0].text
