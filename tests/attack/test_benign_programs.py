"""Honest programs that must pass under the policy that stops the hostile ones."""

from __future__ import annotations

import pytest

from lmac_sandbox import Box, Ending, Job

pytestmark = pytest.mark.engine

PROGRAMS = {
    "multiprocessing": (
        "import multiprocessing as m\n"
        "def square(n): return n * n\n"
        "if __name__ == '__main__':\n"
        " with m.Pool(4) as pool: assert pool.map(square, range(9))[8] == 64\n"
    ),
    "threads": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(16) as pool: assert sum(pool.map(int, range(99))) == 4851\n"
    ),
    "asyncio": (
        "import asyncio\n"
        "async def main():\n"
        " await asyncio.gather(*(asyncio.sleep(0.01) for _ in range(100)))\n"
        " process = await asyncio.create_subprocess_exec('true'); assert await process.wait() == 0\n"
        "asyncio.run(main())\n"
    ),
    "loopback HTTP": (
        "import threading, http.server, urllib.request\n"
        "server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)\n"
        "threading.Thread(target=server.serve_forever, daemon=True).start()\n"
        "url = f'http://localhost:{server.server_port}/main.py'\n"
        "assert b'http.server' in urllib.request.urlopen(url).read()\n"
    ),
    "sqlite": (
        "import sqlite3\nbase = sqlite3.connect('a.db'); base.execute('create table t (n)')\n"
        "base.executemany('insert into t values (?)', [(n,) for n in range(999)]); base.commit()\n"
        "assert base.execute('select sum(n) from t').fetchone() == (498501,)\n"
    ),
    "a script of its own, run by a child": (
        "import os, subprocess\nopen('run.sh', 'w').write('#!/bin/sh\\necho fine\\n')\n"
        "os.chmod('run.sh', 0o755)\n"
        "assert subprocess.check_output(['./run.sh']) == b'fine\\n'\n"
    ),
    "temporary files": (
        "import tempfile, pathlib\n"
        "with tempfile.TemporaryDirectory() as folder: pathlib.Path(folder, 'f').write_bytes(b'x' * 10**6)\n"
        "open('/tmp/also', 'w').write('x')\n"
    ),
    "logging to a file": "import logging\nlogging.basicConfig(filename='a.log'); logging.error('x')\n",
    "large recursion": (
        "import sys\nsys.setrecursionlimit(20000)\n"
        "def depth(n): return n and 1 + depth(n - 1)\nassert depth(9000) == 9000\n"
    ),
    "unicode": (
        "text = 'Übung 日本 \\U0001f600'\nopen(text, 'w').write(text)\n"
        "assert open(text).read() == text\nprint(text)\n"
    ),
    "signals": (
        "import os, signal\nseen = []\nsignal.signal(signal.SIGUSR1, lambda *_: seen.append(1))\n"
        "os.kill(os.getpid(), signal.SIGUSR1)\nassert seen\nsignal.setitimer(signal.ITIMER_REAL, 5)\n"
    ),
    "pickles and zip files": (
        "import pickle, zipfile\n"
        "with zipfile.ZipFile('a.zip', 'w') as z:\n z.writestr('a', pickle.dumps({1: 2}))\n"
        "assert pickle.loads(zipfile.ZipFile('a.zip').read('a')) == {1: 2}\n"
    ),
    "a megabyte of output": "print('x' * 1_000_000)\n",
    "its own process": "import os\nassert os.listdir('/proc/self/fd') and open('/proc/self/status').read()\n",
    "shared memory": (
        "from multiprocessing import shared_memory\n"
        "s = shared_memory.SharedMemory(create=True, size=10**6); s.close(); s.unlink()\n"
    ),
}
TESTS = """\
import multiprocessing, os, subprocess, sys, tempfile, threading, unittest
import pytest

@pytest.fixture
def folder(tmp_path):
    (tmp_path / "x").write_text("x")
    yield tmp_path
    (tmp_path / "x").unlink()

def test_fixture_with_teardown(folder): assert (folder / "x").read_text() == "x"
def test_child():
    assert subprocess.check_output([sys.executable, "-c", "print(1)"]) == b"1\\n"
def test_multiprocessing():
    with multiprocessing.Pool(2) as pool: assert pool.map(abs, [-1, 2]) == [1, 2]
def test_descriptors(): assert os.listdir("/proc/self/fd")
def test_capture(capfd):
    os.write(1, b"x")
    assert capfd.readouterr().out == "x"
class Base:
    def test_inherited(self): assert self.n > 0
class TestOne(Base): n = 1
class TestCase(unittest.TestCase):
    def test_case(self): self.assertTrue(threading.active_count())
"""


def test_honest_programs_run_as_anywhere(box: Box) -> None:
    """One box for all of them: what is tested is the policy, which is the same for each."""
    failed = {}
    for name, text in PROGRAMS.items():
        box.place({"main.py": text.encode()}, "subject")
        result = box.run(Job(("python3", "main.py")))
        if (result.ending, result.exit_code) != (Ending.EXITED, 0):
            failed[name] = (result.ending, result.exit_code, result.stderr.text()[-300:])

    assert failed == {}


def test_honest_tests_pass_in_a_forked_session(box: Box) -> None:
    box.place({"test_honest.py": TESTS.encode()}, "subject")
    result = box.run(Job.pytest(("-q",)))

    assert (result.ending, result.exit_code) == (Ending.EXITED, 0), result.stdout.text()
    assert sum(event["kind"] == "test" for event in result.events) == 7
