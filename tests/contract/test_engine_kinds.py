"""What every kind of engine must give: the same boxes, limits and endings, or a failure and never a pass.

The local Docker engine is always one. Others are named by LMAC_TEST_ENGINES, separated by commas, each as
NAME=URL or NAME=URL#RUNTIME:

    LMAC_TEST_ENGINES="podman=unix:///run/podman/podman.sock,gvisor=unix:///var/run/docker.sock#runsc"

Podman: `podman system service --time=0 unix:///run/podman/podman.sock`. gVisor: install `runsc`, name it
under `runtimes` in the engine's daemon.json (on Debian 12 with `"runtimeArgs": ["--platform=ptrace"]`,
and on kernels that it takes for a root network namespace everywhere `"--network=none"` beside it) and restart
the engine. An engine whose default runtime is gVisor needs no #RUNTIME.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lmac_sandbox import (
    Box,
    DependencyProvider,
    Ending,
    Engine,
    EngineFailure,
    Isolation,
    Job,
    JobResult,
    Keeper,
    Limits,
    Owner,
    StoreLimits,
    Volume,
    reap,
    require_isolation,
    store_digest,
    target_job,
    target_of,
)
from lmac_sandbox.images import build_image, load_image
from lmac_sandbox.limits import MIB
from lmac_sandbox.policy import is_gvisor
from sandbox_fixtures import CACHE, IMAGES
from wheel_index import WheelIndex

pytestmark = [pytest.mark.engine, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
LIMITS = Limits(
    wall_seconds=3.0,
    memory_bytes=192 * MIB,
    pids=32,
    output_bytes=1 * MIB,
    scratch_bytes=16 * MIB,
    file_bytes=8 * MIB,
)
FILES = {"main.py": b"print('here')\n", "test_one.py": b"def test_one(): assert 1 + 1 == 2\n"}


@dataclass(frozen=True, slots=True)
class Kind:
    """One engine to hold the contract against."""

    name: str
    url: str | None
    runtime: str | None

    @property
    def counts(self) -> bool:
        """Whether the kernel in the box counts what passes a cap; else that ends the whole box."""
        with Engine.connect(self.url, runtime=self.runtime) as engine:
            return not is_gvisor(engine.runtime_name or "")


def _kinds() -> list[Kind]:
    kinds = [Kind("docker", None, None)]
    for entry in filter(None, os.environ.get("LMAC_TEST_ENGINES", "").split(",")):
        name, _, place = entry.partition("=")
        url, _, runtime = place.partition("#")
        kinds.append(Kind(name, url, runtime or None))
    return kinds


@pytest.fixture(scope="module", params=_kinds(), ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture(scope="module")
def connected(kind: Kind) -> Iterator[Engine]:
    with Engine.connect(kind.url, runtime=kind.runtime) as engine:
        yield engine


@pytest.fixture(scope="module")
def image(engine: Engine, connected: Engine) -> str:
    """The image of these sources, compiled by the local engine and loaded into this one."""
    return load_image(connected, build_image(IMAGES / "python", CACHE, engine).archive_path)


@pytest.fixture(scope="module")
def owner() -> Owner:
    return Owner.current(f"test-{secrets.token_hex(4)}")


@pytest.fixture(scope="module")
def store(connected: Engine, image: str, owner: Owner) -> Iterator[tuple[Keeper, Volume]]:
    with (
        Volume.create(connected, owner, StoreLimits()) as volume,
        Keeper.start(connected, volume, image, owner, StoreLimits()) as keeper,
    ):
        keeper.write_many(FILES)
        yield keeper, volume


@pytest.fixture
def box(connected: Engine, store: tuple[Keeper, Volume], image: str, owner: Owner) -> Iterator[Box]:
    started = Box.start(connected, store[1], image, owner, LIMITS)
    try:
        yield started
    finally:
        started.remove()


def python(box: Box, source: str) -> JobResult:
    return box.run(Job(("python3", "-c", source)))


def test_the_engine_gives_what_the_policy_needs(connected: Engine, kind: Kind) -> None:
    assert require_isolation(connected, Isolation(kind.runtime)).server_version


def test_a_box_for_tools_comes_up_and_runs_them(
    connected: Engine, store: tuple[Keeper, Volume], image: str, owner: Owner
) -> None:
    with Box.start(connected, store[1], image, owner, LIMITS, sessions=False) as box:
        box.snapshot()

        assert box.run(Job(("python3", "main.py"))).stdout.text() == "here\n"


def test_a_box_judges_a_copy_of_the_store(box: Box, store: tuple[Keeper, Volume]) -> None:
    snapshot = box.snapshot()
    result = box.run(Job.pytest(("-q",)))

    assert snapshot.store_digest == store[0].digest() == store_digest(FILES)
    assert (result.ending, result.exit_code) == (Ending.EXITED, 0), result.stderr.text()
    assert sum(event["kind"] == "test" for event in result.events) == 1


def test_a_job_has_no_network_no_capabilities_and_no_way_to_write_but_its_scratch(box: Box) -> None:
    result = python(
        box,
        "import errno, os, socket\n"
        "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "print(os.stat('/scratch').st_uid == os.getuid() > 0)\n"
        "print(int(status['CapEff'], 16), int(status['CapPrm'], 16))\n"
        "print(sorted(name for _, name in socket.if_nameindex()))\n"
        "places = '/store/main.py /store/new /etc/passwd /opt/lmac/x /scratch/x /tmp/x'\n"
        "for path in places.split():\n"
        " try:\n  open(path, 'a'); print(path, 'written')\n"
        " except OSError as error: print(path, errno.errorcode[error.errno])\n"
        "try: socket.create_connection(('8.8.8.8', 53), 1)\n"
        "except OSError as error: print('egress', error.errno)",
    )

    lines = result.stdout.text().splitlines()
    assert lines[:2] == ["True", "0 0"], result.stderr.text()
    assert lines[2] in ("['lo']", "[]")
    answers = dict(line.split() for line in lines[3:])
    assert {answers[path] for path in ("/store/main.py", "/store/new")} <= {"EROFS", "EACCES"}
    assert {answers[path] for path in ("/etc/passwd", "/opt/lmac/x")} <= {"EROFS", "EACCES"}
    assert answers["/scratch/x"] == answers["/tmp/x"] == "written"
    assert answers["egress"]


def test_what_the_policy_asks_for_is_in_force(box: Box, kind: Kind) -> None:
    """Some engines leave out silently what they do not know."""
    result = python(
        box,
        "import os, resource, socket\n"
        "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "print('privileges', status.get('NoNewPrivs', '1').strip(), socket.gethostname())\n"
        "print('core', *resource.getrlimit(resource.RLIMIT_CORE))\n"
        "shm = os.statvfs('/dev/shm')\nprint('shm', shm.f_blocks * shm.f_frsize)\n"
        "mounts = [line.split() for line in open('/proc/self/mounts')]\n"
        "for _, place, _, options, *_ in mounts:\n"
        " if place in ('/scratch', '/tmp'): print(place, {'nosuid', 'nodev'} <= set(options.split(',')))\n"
        "print('root', any(p == '/' and 'ro' in o.split(',') for _, p, _, o, *_ in mounts))\n"
        "files = {'/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes': 'both', "
        "'/sys/fs/cgroup/memory.swap.max': 'swap', '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': 'quota', "
        "'/sys/fs/cgroup/cpu.max': 'quota'}\n"
        "for file, name in files.items():\n"
        " if os.path.exists(file): print(name, open(file).read().split()[0])\n"
        "print('seccomp', status.get('Seccomp', '').strip())",
    )

    told = dict(line.split(maxsplit=1) for line in result.stdout.text().splitlines())
    assert (told["privileges"], told["core"]) == ("1 box", "0 0"), result.stderr.text()
    assert told["root"] == "True"
    # gVisor knows none of these, and its processes are not the host's.
    if kind.counts:
        assert told["/scratch"] == told["/tmp"] == "True"
        assert int(told["shm"]) == 8 * MIB
        assert told["seccomp"] == "2"
        assert told["quota"] == "100000"
        assert told.get("both") == str(LIMITS.memory_bytes) or told.get("swap") == "0"


def test_calls_that_reach_deep_into_the_kernel_are_not_allowed(box: Box, kind: Kind) -> None:
    """By our profile, or under gVisor by its own kernel. The numbers are the same on every architecture."""
    result = python(
        box,
        "import ctypes, socket\n"
        "libc = ctypes.CDLL(None)\n"
        "for number in (425, 428, 429, 430, 432, 438, 440, 442, 447):\n"
        " print(number, 'ALLOWED' if libc.syscall(number, 0, 0, 0, 0, 0) >= 0 else 'refused')\n"
        "for family in (17, 38, 40):\n"
        " try: socket.socket(family, socket.SOCK_DGRAM)\n"
        " except OSError: print(family, 'refused')\n"
        " else: print(family, 'ALLOWED')\n"
        "for name in ('unshare', 'setns'):\n"
        " print(name, 'ALLOWED' if getattr(libc, name)(0x10000000, 0) >= 0 else 'refused')",
    )

    answers = dict(line.split() for line in result.stdout.text().splitlines())
    assert len(answers) == 14
    allowed = {name for name, answer in answers.items() if answer == "ALLOWED"}
    # gVisor's kernel makes user namespaces of its own, and none of the host's.
    assert allowed <= (set() if kind.counts else {"unshare"})


def test_memory_is_capped(box: Box, kind: Kind) -> None:
    hog = "x = bytearray(10**9)\nfor n in range(0, 10**9, 4096): x[n] = 1\nprint('all of it')"
    if kind.counts:
        assert python(box, hog).ending is Ending.OUT_OF_MEMORY
    else:
        assert_never_a_pass(box, hog)


def test_processes_are_capped(box: Box, kind: Kind) -> None:
    bomb = "import os, time\nfor _ in range(9999):\n if os.fork() == 0: time.sleep(99)\nprint('all of it')"
    if kind.counts:
        assert python(box, bomb).ending is Ending.PROCESS_LIMIT
    else:
        assert_never_a_pass(box, bomb)


def assert_never_a_pass(box: Box, source: str) -> None:
    """A box that breaks is a failure of the sandbox; one that does not has seen the job fail."""
    try:
        result = python(box, source)
    except EngineFailure:
        return
    assert (result.ending, result.exit_code) != (Ending.EXITED, 0)
    assert "all of it" not in result.stdout.text()


def test_output_scratch_and_time_are_capped(box: Box) -> None:
    flood = python(box, "while True: print('x' * 1000)")
    full = python(
        box, "for n in range(99):\n with open(f'/scratch/f{n}', 'wb') as file: file.write(b'x' * 2**20)"
    )
    box.run(Job(("sh", "-c", "rm -f /scratch/f*")))
    asleep = python(box, "import time\ntime.sleep(99)")

    assert flood.ending is Ending.OUTPUT_LIMIT
    assert len(flood.stdout.head) + len(flood.stdout.tail) <= LIMITS.kept_bytes
    assert full.ending is Ending.DISK_LIMIT
    assert asleep.ending is Ending.TIMED_OUT


def test_nothing_of_a_job_outlives_it(box: Box) -> None:
    daemon = (
        "import os, time\nif os.fork() == 0:\n os.setsid()\n if os.fork() == 0: time.sleep(99)\n os._exit(0)"
    )
    first = python(box, daemon)
    listing = python(
        box,
        "import os; print(sorted(int(p) for p in os.listdir('/proc') if p.isdigit())[:1],"
        " sum(p.isdigit() for p in os.listdir('/proc')))",
    )

    assert first.leftover_processes >= 1
    assert listing.stdout.text() == "[1] 2\n"


HOLDER = """
import sys
from lmac_sandbox import Box, Engine, Job, Keeper, Limits, Owner, StoreLimits, Volume
url, runtime, image_id, run_id = sys.argv[1:]
engine = Engine.connect(url or None, runtime=runtime or None)
owner = Owner.current(run_id)
volume = Volume.create(engine, owner, StoreLimits())
keeper = Keeper.start(engine, volume, image_id, owner, StoreLimits())
box = Box.start(engine, volume, image_id, owner, Limits())
print("ready", flush=True)
box.run(Job(("sleep", "60")))
"""


def test_containers_end_with_their_owner(connected: Engine, kind: Kind, image: str) -> None:
    run = {"lmac.run": f"test-{secrets.token_hex(4)}"}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, kind.url or "", kind.runtime or "", image, run["lmac.run"]],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT / "sandbox")},
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        assert len(connected.containers(run)) == 2
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    killed = time.monotonic()
    while connected.containers(run) and time.monotonic() - killed < 15:
        time.sleep(0.05)

    assert time.monotonic() - killed < 8
    assert reap(connected).volumes >= 1
    assert connected.volumes(run) == {}


def test_packages_come_as_a_layer_over_the_engines_own_image(
    connected: Engine, store: tuple[Keeper, Volume], image: str, owner: Owner, box: Box, tmp_path: Path
) -> None:
    source = "import greeting, os; print(greeting.X, os.access(greeting.__file__, os.W_OK))"
    with WheelIndex() as index:
        pin = index.publish("greeting", files={"greeting.py": "X = 42\n"})
        provider = DependencyProvider(connected, image, tmp_path, index_url=index.url)
        provided = provider.provide([pin], target_of(box.run(target_job())))
    try:
        with Box.start(connected, store[1], provided.image_id, owner, LIMITS) as other:
            assert python(other, source).stdout.head == b"42 False\n"
            other.remove()
        assert python(box, "import greeting").exit_code == 1
    finally:
        with connected.call("remove what the test loaded") as client:
            client.images.remove(provided.image_id, force=True)
