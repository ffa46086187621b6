"""Honest programs that must pass under the policy that stops the hostile ones."""

from __future__ import annotations

from dataclasses import dataclass

from attack.stage import Stage
from lmac.checks import TestCheck
from lmac.evaluation import Verdict
from lmac_sandbox import Ending, Job


@dataclass(frozen=True, slots=True)
class Honest:
    """A program that asserts for itself that nothing hinders it."""

    source: str

    def __call__(self, stage: Stage) -> None:
        with stage.take() as box:
            box.place({"main.py": self.source.encode()}, "subject")
            result = box.run(Job(("python3", "main.py")))

        assert (result.ending, result.exit_code) == (Ending.EXITED, 0), result.stderr.text()[-2000:]


@dataclass(frozen=True, slots=True)
class HonestTests:
    """Tests that pass, judged as in a run."""

    source: str
    passed: int

    def __call__(self, stage: Stage) -> None:
        result = stage.checked(TestCheck(), {"test_honest.py": f"{self.source}\nfrom main import x\n"})

        assert (result.verdict, result.passed_count) == (Verdict.PASSED, self.passed), result


@dataclass(frozen=True, slots=True)
class Benign:
    """One row."""

    name: str
    act: Honest | HonestTests
    is_long: bool = False
    """Begun before all other rows, so that nobody waits for it."""

    def __str__(self) -> str:
        return self.name


_MULTIPROCESSING = """\
import multiprocessing as m
def square(n): return n * n
if __name__ == '__main__':
    with m.Pool(4) as pool: assert pool.map(square, range(9))[8] == 64
    queue = m.Queue()
    child = m.Process(target=queue.put, args=(7,)); child.start()
    assert queue.get() == 7; child.join()
    from multiprocessing import shared_memory
    shared = shared_memory.SharedMemory(create=True, size=10**6); shared.close(); shared.unlink()
    with m.get_context('spawn').Pool(1) as pool: assert pool.map(square, [3]) == [9]
"""
_THREADS = """\
import threading
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(16) as pool: assert sum(pool.map(int, range(99))) == 4851
lock, seen = threading.Lock(), []
def note(n):
    with lock: seen.append(n)
threads = [threading.Thread(target=note, args=(n,)) for n in range(30)]
[t.start() for t in threads]; [t.join() for t in threads]
assert sorted(seen) == list(range(30))
"""
_ASYNCIO = """\
import asyncio
async def main():
    await asyncio.gather(*(asyncio.sleep(0.01) for _ in range(100)))
    process = await asyncio.create_subprocess_exec('true'); assert await process.wait() == 0
    server = await asyncio.start_unix_server(lambda r, w: w.close(), 'socket')
    reader, writer = await asyncio.open_unix_connection('socket'); assert await reader.read() == b''
    assert await asyncio.to_thread(sum, [1, 2]) == 3
    server.close()
asyncio.run(main())
"""
_HTTP = """\
import threading, http.server, urllib.request, socket
for family, host in ((socket.AF_INET, '127.0.0.1'), (socket.AF_INET, 'localhost')):
    server = http.server.ThreadingHTTPServer((host, 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f'http://{host}:{server.server_port}/main.py'
    assert b'http.server' in urllib.request.urlopen(url).read()
    server.shutdown()
"""
_SQLITE = """\
import sqlite3
base = sqlite3.connect('a.db'); base.execute('pragma journal_mode=wal'); base.execute('create table t (n)')
base.executemany('insert into t values (?)', [(n,) for n in range(999)]); base.commit()
assert sqlite3.connect('a.db').execute('select sum(n) from t').fetchone() == (498501,)
"""
_SUBPROCESS = """\
import os, subprocess, sys
open('run.sh', 'w').write('#!/bin/sh\\necho fine; exit 3\\n')
os.chmod('run.sh', 0o755)
done = subprocess.run(['./run.sh'], capture_output=True)
assert (done.stdout, done.returncode) == (b'fine\\n', 3)
assert subprocess.check_output('echo a | tr a b', shell=True) == b'b\\n'
assert subprocess.check_output([sys.executable, '-c', 'print(1)']) == b'1\\n'
try: subprocess.run(['sleep', '9'], timeout=0.1)
except subprocess.TimeoutExpired: print('timed out as asked')
"""
_TEMPFILE = """\
import tempfile, os
with tempfile.NamedTemporaryFile() as file:
    file.write(b'x' * 10**7); file.flush(); assert os.stat(file.name).st_size == 10**7
with tempfile.SpooledTemporaryFile(10) as file:
    file.write(b'x' * 99); file.seek(0); assert len(file.read()) == 99
open('/tmp/also', 'w').write('x'); os.fsync(os.open('/tmp/also', os.O_RDWR))
"""
_LOGGING = """\
import logging, logging.handlers, pathlib
handler = logging.handlers.RotatingFileHandler('a.log', maxBytes=200, backupCount=3)
logging.getLogger().addHandler(handler)
for n in range(100): logging.error('line %d', n)
assert pathlib.Path('a.log.3').exists()
"""
_RECURSION = """\
import sys, threading
sys.setrecursionlimit(20000)
def depth(n): return n and 1 + depth(n - 1)
assert depth(9000) == 9000
threading.stack_size(64 * 2**20)
thread = threading.Thread(target=depth, args=(15000,)); thread.start(); thread.join()
"""
_NUMBERS = """\
from fractions import Fraction
import decimal, math, random, statistics
assert sum(Fraction(1, n) for n in range(1, 200)).numerator % 7 in range(7)
sieve = bytearray(b'\\1') * 2_000_000
for n in range(2, 1415):
    if sieve[n]: sieve[n * n :: n] = bytes(len(range(n * n, len(sieve), n)))
assert sum(sieve) - 2 == 148933
assert pow(3, 10**5, 2**61 - 1) and math.comb(2000, 1000) > 0
decimal.getcontext().prec = 1000; assert str(decimal.Decimal(2).sqrt()).startswith('1.41421356')
a = [[random.random() for _ in range(90)] for _ in range(90)]
b = [[sum(x * y for x, y in zip(row, column)) for column in zip(*a)] for row in a]
assert statistics.fmean(map(sum, b)) > 0
"""
_UNICODE = """\
import os
text = 'Übung 日本 \\U0001f600'
open(text, 'w').write(text)
assert open(text).read() == text and text in os.listdir()
print(text)
assert os.environ['LANG'] == 'C.UTF-8' and 'ß'.encode().decode() == 'ß'
"""
_SIGNALS = """\
import os, signal
seen = []
signal.signal(signal.SIGUSR1, lambda *_: seen.append('own'))
signal.signal(signal.SIGALRM, lambda *_: seen.append('alarm'))
os.kill(os.getpid(), signal.SIGUSR1)
signal.setitimer(signal.ITIMER_REAL, 0.05); signal.pause()
child = os.fork()
if child == 0: signal.pause()
os.kill(child, signal.SIGTERM)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
assert seen == ['own', 'alarm']
"""
_FOLDERS = """\
import pathlib, shutil, tempfile
with tempfile.TemporaryDirectory() as folder:
    for n in range(300):
        pathlib.Path(folder, f'{n}').mkdir(); pathlib.Path(folder, f'{n}', 'f').write_text('x')
    shutil.copytree(folder, 'copy'); shutil.move('copy', 'moved')
    assert len(list(pathlib.Path('moved').rglob('f'))) == 300
assert not pathlib.Path(folder).exists()
"""
_PICKLES = """\
import collections, copyreg, datetime, pickle
value = {1: [2, (3, {4})], 'x': datetime.date(2020, 1, 2), 'c': collections.Counter('abca')}
for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
    assert pickle.loads(pickle.dumps(value, protocol)) == value
with open('p', 'wb') as file: pickle.dump(list(range(10**6)), file)
assert len(pickle.load(open('p', 'rb'))) == 10**6
"""
_ZIPS = """\
import io, shutil, tarfile, zipfile
with zipfile.ZipFile('a.zip', 'w', zipfile.ZIP_DEFLATED) as z: z.writestr('a/b', b'x' * 10**6)
assert zipfile.ZipFile('a.zip').read('a/b') == b'x' * 10**6
zipfile.ZipFile('a.zip').extractall('out')
shutil.make_archive('b', 'gztar', 'out'); tarfile.open('b.tar.gz').extractall('again')
"""
_DATACLASSES = """\
import dataclasses, json
@dataclasses.dataclass(order=True)
class Point:
    x: int
    y: float = 0.0
    tags: list = dataclasses.field(default_factory=list)
points = [Point(n, n / 2, [str(n)]) for n in range(1000)]
assert max(points).x == 999 and len(json.dumps([dataclasses.asdict(p) for p in points])) > 1000
"""
_LONG = """\
import time
started, rounds = time.monotonic(), 0
while time.monotonic() - started < 20: time.sleep(0.25); rounds += 1
assert rounds > 20
"""
_MEGABYTE = "import sys\nfor n in range(20_000): print('x' * 48, n % 10)\nprint('done', file=sys.stderr)\n"
_PARAMETRISED = """\
import unittest
import pytest

@pytest.mark.parametrize("n", range(5))
@pytest.mark.parametrize("text", ["a", "ü b", "a[b]::c"])
def test_product(n, text): assert len(text * n) == len(text) * n

class Base:
    n = 1
    def test_inherited(self): assert self.n > 0
class TestOne(Base): n = 1
class TestTwo(Base): n = 2
class TestCase(unittest.TestCase):
    def test_case(self):
        for n in range(3):
            with self.subTest(n=n): self.assertGreaterEqual(n, 0)
"""
_FIXTURES = """\
import asyncio, multiprocessing, os, subprocess, sys, threading
import pytest

order = []

@pytest.fixture(scope="module")
def shared():
    order.append("up"); yield order; order.append("down")

@pytest.fixture(params=[1, 2])
def number(request): return request.param

@pytest.fixture
def folder(tmp_path):
    (tmp_path / "x").write_text("x")
    yield tmp_path
    (tmp_path / "x").unlink()

@pytest.fixture(autouse=True)
def always(monkeypatch): monkeypatch.setenv("OWN", "1")

def test_teardown(folder, shared): assert (folder / "x").read_text() == "x" and shared == ["up"]
def test_each(number): assert number in (1, 2) and os.environ["OWN"] == "1"
def test_child(): assert subprocess.check_output([sys.executable, "-c", "print(1)"]) == b"1\\n"
def test_multiprocessing():
    with multiprocessing.Pool(2) as pool: assert pool.map(abs, [-1, 2]) == [1, 2]
def test_descriptors(): assert os.listdir("/proc/self/fd")
def test_capture(capfd):
    os.write(1, b"x")
    assert capfd.readouterr().out == "x"
def test_raises():
    with pytest.raises(ZeroDivisionError, match="zero"): 1 / 0
def test_asyncio(): assert asyncio.run(asyncio.sleep(0, 5)) == 5
def test_thread():
    thread = threading.Thread(target=order.append, args=("t",)); thread.start(); thread.join()
    assert "t" in order
"""

ROWS = (
    Benign("multiprocessing", Honest(_MULTIPROCESSING)),
    Benign("threads", Honest(_THREADS)),
    Benign("asyncio", Honest(_ASYNCIO)),
    Benign("loopback HTTP server and client", Honest(_HTTP)),
    Benign("sqlite", Honest(_SQLITE)),
    Benign("subprocess", Honest(_SUBPROCESS)),
    Benign("tempfile", Honest(_TEMPFILE)),
    Benign("logging to files", Honest(_LOGGING)),
    Benign("large recursion", Honest(_RECURSION)),
    Benign("numeric work", Honest(_NUMBERS)),
    Benign("unicode", Honest(_UNICODE)),
    Benign("signals", Honest(_SIGNALS)),
    Benign("temporary directories", Honest(_FOLDERS)),
    Benign("pickling", Honest(_PICKLES)),
    Benign("zip files", Honest(_ZIPS)),
    Benign("dataclasses with a thousand instances", Honest(_DATACLASSES)),
    Benign("a 20-second job", Honest(_LONG), is_long=True),
    Benign("1 MB of honest output", Honest(_MEGABYTE)),
    Benign("parametrised and inherited tests", HonestTests(_PARAMETRISED, passed=18)),
    Benign("fixtures with teardown", HonestTests(_FIXTURES, passed=10)),
)
