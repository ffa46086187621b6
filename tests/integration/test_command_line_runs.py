"""`lmac run` and what looks at runs: progress and results, servers that fail, a full disk, doctor, clean."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from command_line import LMAC, Ended, Shell
from contract.fault_server import FaultServer
from lmac.journal import Journal, read_journal
from lmac.messages import Usage
from lmac.report.result import RunResult, write_result
from lmac.transitions import MachineKind, Outcome
from lmac_sandbox import Engine, StoreLimits, open_holes, seccomp_digest
from scripted_runs import (
    DONE,
    GREEN_FILES,
    MODULE,
    ONE_STEP,
    RED_FILES,
    SMALL_BOX,
    delivered,
    leftovers,
    report_of,
    write_profile,
    wrote,
)
from scripted_server import Says, ScriptedServer, heard_last

pytestmark = pytest.mark.engine

HELD_BY_RUNNER = ("wall_seconds", "output_bytes", "kept_bytes", "events_bytes", "file_bytes", "open_files")
SUITE = "from doubling import double\n\n\ndef test_it() -> None:\n    assert double(3) == 6\n"


def write_config(folder: Path, profile: Path, image_id: str) -> None:
    """`config.yaml` of a run with small boxes."""
    config = {"model": str(profile), "image": image_id, "box": SMALL_BOX}
    (folder / "config.yaml").write_text(json.dumps(config), "utf-8")


def run_id() -> str:
    return f"shell-{secrets.token_hex(4)}"


# A run that goes well


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A folder with a task and its acceptance suite."""
    folder = tmp_path_factory.mktemp("shell")
    (folder / "doubling" / "acceptance").mkdir(parents=True)
    (folder / "doubling" / "task.md").write_text("Write doubling.py with double(number), and tests.")
    (folder / "doubling" / "acceptance" / "test_it.py").write_text(SUITE)
    return Shell(folder)


@pytest.fixture(scope="module")
def finished(shell: Shell, image_id: str) -> tuple[str, Ended]:
    """The id of a run with `--json`, and what it left on the terminal."""
    name = run_id()
    with ScriptedServer([ONE_STEP, wrote(GREEN_FILES), DONE]) as server:
        write_config(shell.folder, write_profile(shell.folder, server.base_url), image_id)
        return name, shell.lmac("run", "doubling", "-c", "config.yaml", "--id", name, "--json")


def test_a_run_with_json_prints_its_report_on_stdout_and_its_progress_on_stderr(
    shell: Shell, finished: tuple[str, Ended]
) -> None:
    name, ended = finished

    assert ended.code == 0
    assert json.loads(ended.stdout) == report_of(shell.folder / "runs" / name)
    assert json.loads(ended.stdout)["acceptance"]["results"][0]["verdict"] == "passed"
    progress = [json.loads(line) for line in ended.stderr.splitlines()]
    assert {line["run"] for line in progress} == {name}
    assert [line["event"] for line in progress][-1] == "run closed"
    assert delivered(shell.folder / "runs" / name) == GREEN_FILES


def test_a_finished_run_is_shown_in_words_and_as_json(shell: Shell, finished: tuple[str, Ended]) -> None:
    name, ended = finished

    assert shell.lmac("show", name, "--json").stdout == ended.stdout
    shown = shell.lmac("show", f"runs/{name}")
    assert shown.code == 0
    assert "completed, accepted (exit code 0)" in shown.stdout
    assert "1. [completed] Write doubling.py" in shown.stdout


def test_a_run_without_json_tells_people_what_happens_and_what_came_of_it(
    shell: Shell, image_id: str
) -> None:
    with ScriptedServer([ONE_STEP, Says("Nothing.")]) as server:
        write_config(shell.folder, write_profile(shell.folder, server.base_url), image_id)
        limits = ("machine.turns=1", "machine.attempts=1", "machine.revisions=0")
        order = [part for limit in limits for part in ("-k", limit)]
        ended = shell.lmac("run", "doubling", "-c", "config.yaml", *order)

    assert ended.code == 1
    assert "instruction given up, not accepted (exit code 1)" in ended.stdout
    assert "run closed" in ended.stderr
    assert "\x1b[" not in ended.stderr + ended.stdout


OWN_PROGRAM = """
requirements: [double(number) doubles.]
instructions:
  - text: Write the module and its tests.
    files: [doubling.py, test_doubling.py]
    requirements: [1]
"""


def test_a_program_of_ones_own_is_carried_out_and_shows_its_requirements(shell: Shell, image_id: str) -> None:
    (shell.folder / "own.yaml").write_text(OWN_PROGRAM)
    name = run_id()
    with ScriptedServer([wrote(GREEN_FILES), DONE]) as server:
        write_config(shell.folder, write_profile(shell.folder, server.base_url), image_id)
        arguments = ("-c", "config.yaml", "--id", name, "--program", "own.yaml", "--steps", "3")
        ended = shell.lmac("run", "doubling", *arguments)
        asked = len(server.requests)

    assert (ended.code, asked) == (0, 2)
    assert "1 of 1 built, 1 of them shown by checks" in ended.stdout
    shown = shell.lmac("show", name).stdout
    assert "1. [completed] Write the module and its tests." in shown
    assert "requirement 1 [shown by test_doubling.py::test_doubles; step 1] double(number) doubles." in shown

    (shell.folder / "runs" / name / "report.json").unlink()
    assert "Its requirements: 0 open, 0 built, 1 shown." in shell.lmac("show", name).stdout


def test_a_loop_asks_for_no_program_and_goes_on_until_the_files_are_green_and_done(
    shell: Shell, image_id: str
) -> None:
    name = run_id()
    with ScriptedServer([wrote(RED_FILES), wrote({"doubling.py": MODULE}), DONE]) as server:
        write_config(shell.folder, write_profile(shell.folder, server.base_url), image_id)
        ended = shell.lmac("run", "doubling", "-c", "config.yaml", "--id", name, "--loop")
        told = heard_last(server.turns[1])

    assert ended.code == 0, ended.stderr
    assert "completed, accepted (exit code 0)" in ended.stdout
    assert "test_doubles" in told
    assert "12 == 8" in told
    report = report_of(shell.folder / "runs" / name)
    assert (report["machine"], report["calls"], report["instructions"]) == ("loop", 3, 0)
    assert delivered(shell.folder / "runs" / name) == GREEN_FILES


def test_two_baselines_at_once_are_refused_before_anything_starts(tmp_path: Path) -> None:
    ended = Shell(tmp_path).lmac("run", "Write doubling.py.", "--loop", "--single-shot")

    assert ended.code == 2
    assert "--single-shot and --loop are two baselines" in ended.stderr
    assert not (tmp_path / "runs").exists()


def test_a_run_whose_watcher_has_gone_carries_on_to_its_end(shell: Shell, image_id: str) -> None:
    name = run_id()
    with ScriptedServer([ONE_STEP, wrote(GREEN_FILES), DONE]) as server:
        write_config(shell.folder, write_profile(shell.folder, server.base_url), image_id)
        process = shell.start("run", "doubling", "-c", "config.yaml", "--id", name)
        assert process.stderr is not None
        assert "run opened" in process.stderr.readline()
        process.stderr.close()
        process.stderr = None
        stdout, _ = process.communicate(timeout=60)

    assert "completed, accepted (exit code 0)" in stdout
    assert report_of(shell.folder / "runs" / name)["outcome"] == "completed"
    assert process.returncode == 0


def test_a_journal_whose_texts_are_hostile_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    hostile = "Write\x1b]0;title\x07 it\u202e\x9b2J\rgone"
    folder = tmp_path / "elsewhere" / "hostile"
    folder.mkdir(parents=True)
    result = RunResult(
        run_id="hostile",
        folder=str(folder),
        task="doubling",
        model="scripted",
        machine=MachineKind.CONTROL_UNIT,
        outcome=Outcome.MODEL_FAILED,
        error=hostile,
        next_step=hostile,
        instructions=1,
        instructions_completed=0,
        files=0,
        lines=0,
        checks=None,
        acceptance=None,
        usage=Usage(),
        cost=None,
        calls=1,
        seconds=1.0,
    )
    write_result(folder, result)
    with Journal(folder) as journal:
        journal.append("program", instructions=[{"text": hostile, "files": []}])

    for arguments in ((), ("--json",)):
        shown = Shell(tmp_path).lmac("show", str(folder), *arguments)
        assert shown.code == 0, shown.stderr
        assert shown.stdout.replace("\n", "").isprintable()


def test_an_unfinished_run_is_shown_as_far_as_its_journal_goes(
    shell: Shell, finished: tuple[str, Ended]
) -> None:
    whole = shell.folder / "runs" / finished[0] / "journal.jsonl"
    torn = shell.folder / "runs" / "torn"
    torn.mkdir()
    (torn / "journal.jsonl").write_bytes(b"\n".join(whole.read_bytes().split(b"\n")[:4]) + b'\n{"seq": 4, "a')

    shown = shell.lmac("show", "torn", "--json")

    assert shown.code == 0
    assert json.loads(shown.stdout)["outcome"] == "unfinished"
    assert json.loads(shown.stdout)["events"] == 4
    assert json.loads(shown.stdout)["requirements"] == {}
    assert "torn has no result" in shell.lmac("show", "torn").stdout


def test_a_journal_that_was_changed_is_refused_with_its_line(
    shell: Shell, finished: tuple[str, Ended]
) -> None:
    whole = shell.folder / "runs" / finished[0] / "journal.jsonl"
    changed = shell.folder / "runs" / "changed"
    changed.mkdir()
    lines = whole.read_bytes().split(b"\n")
    (changed / "journal.jsonl").write_bytes(b"\n".join([lines[0], lines[2], *lines[3:]]))

    shell.lmac("show", "changed").complained(2, "journal.jsonl, line 2", "changed")


def test_an_unknown_run_is_named_with_the_runs_that_are_there(
    shell: Shell, finished: tuple[str, Ended]
) -> None:
    shell.lmac("show", "nobody").complained(2, "'nobody'", "next: runs here: ")
    shell.lmac("show", "nobody", "--runs-folder", "elsewhere").complained(2, "no runs here yet")


# Servers that fail

FAULTS = {
    "unauthorized": ("answered 401", "check the key"),
    "busy_for_an_hour": ("answered 429", "wait"),
    "fault": ("answered 500", "server"),
    "html": ("no chat completion", "check that `base_url`"),
    "half_json": ("no chat completion", "check that `base_url`"),
    "empty_choices": ("no chat completion", "check that `base_url`"),
    "hang": ("no whole answer in time", "raise `call_seconds`"),
    "down": ("http://127.0.0.1:9/v1", "start"),
}
"""A server's fault, words of the error, and words of its next step."""


@pytest.fixture(scope="module")
def failed(
    tmp_path_factory: pytest.TempPathFactory, image_id: str
) -> Iterator[Mapping[str, tuple[Path, Ended]]]:
    """A run against each server, all at once since they mostly wait: its folder, and what was said."""
    folder = tmp_path_factory.mktemp("failed")
    shell = Shell(folder)
    names = {fault: run_id() for fault in FAULTS}

    def run(fault: str) -> tuple[Path, Ended]:
        url = "http://127.0.0.1:9/v1" if fault == "down" else server.base_url(fault)
        profile = write_profile(folder, url, call_seconds=1 if fault == "hang" else 30)
        order = ("-k", f"model={profile}", "-k", f"image={image_id}", "--id", names[fault])
        return folder / "runs" / names[fault], shell.lmac("run", "Write doubling.py.", *order)

    with FaultServer() as server, ThreadPoolExecutor(len(FAULTS)) as threads:
        yield dict(zip(FAULTS, threads.map(run, FAULTS), strict=True))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that_fails_ends_the_run_with_exit_code_4_and_a_next_step(
    failed: Mapping[str, tuple[Path, Ended]], engine: Engine, fault: str
) -> None:
    folder, ended = failed[fault]
    said, step = FAULTS[fault]

    report = report_of(folder)
    assert ended.code == report["exit_code"] == 4, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "model failed (exit code 4)" in ended.stdout
    assert said in report["error"]
    assert step in report["next_step"]
    assert report["error"] in ended.stdout
    assert report["next_step"] in ended.stdout
    assert [event.kind for event in read_journal(folder)][-1] == "run_closed"
    assert leftovers(engine, folder.name) == 0


# A full disk


@pytest.mark.parametrize("size_kib", [4, 64])
def test_a_disk_that_fills_up_is_named_and_leaves_nothing_in_the_engine(
    tmp_path: Path, image_id: str, engine: Engine, size_kib: int
) -> None:
    """The disk is a tiny one in a mount namespace of the command's own, which ends with it."""
    (tmp_path / "runs").mkdir()
    name = run_id()
    mount = f'mount -t tmpfs -o size={size_kib}k tmpfs runs && exec "$@"'
    command = [str(LMAC), "run", "Write doubling.py.", "-c", "config.yaml", "--id", name]
    as_root = [] if Path("/proc/self").stat().st_uid == 0 else ["--user", "--map-root-user"]
    filling = {f"long_{number}.py": f"# {number}\n" + "X = 1\n" * 2000 for number in range(6)}
    with ScriptedServer([ONE_STEP, wrote({**filling, **GREEN_FILES}), DONE]) as server:
        write_config(tmp_path, write_profile(tmp_path, server.base_url), image_id)
        done = subprocess.run(
            ["unshare", "--mount", *as_root, "sh", "-c", mount, "sh", *command],
            cwd=tmp_path,
            env=Shell(tmp_path).environment(),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    Ended(done.returncode, done.stdout, done.stderr).complained(
        5, "no space left for runs", "next:", "`runs_folder`"
    )
    assert leftovers(engine, name) == 0


# Doctor and clean


def _examined(ended: Ended) -> dict[str, Any]:
    return {one["what"]: one for one in json.loads(ended.stdout) if not one["warning"]}


def test_doctor_finds_everything_in_order(tmp_path: Path, image_id: str) -> None:
    shell = Shell(tmp_path)
    with ScriptedServer([]) as server:
        order = ("-k", f"image={image_id}", "-k", f"model={write_profile(tmp_path, server.base_url)}")
        as_json = shell.lmac("doctor", *order, "--json")
        in_words = shell.lmac("doctor", *order)

    assert (as_json.code, in_words.code) == (0, 0)
    examined = _examined(as_json)
    assert list(examined) == ["engine", "isolation", "image", "model", "disk"]
    assert all(one["ok"] and not one["fix"] for one in examined.values())
    assert examined["image"]["said"] == image_id
    lines = in_words.stdout.splitlines()
    assert [line[:4] for line in lines if line[:4] not in ("warn", "    ")] == ["ok  "] * 5
    assert server.requests == [], "examining costs nothing"


def test_doctor_names_every_fault_with_its_fix(tmp_path: Path) -> None:
    shell = Shell(tmp_path, {"LMAC_CACHE": str(tmp_path / "empty")})
    profile = write_profile(tmp_path, "http://127.0.0.1:9/v1")

    ended = shell.lmac("doctor", "-k", f"model={profile}", "--json")

    examined = _examined(ended)
    assert ended.code == 5
    assert [what for what, one in examined.items() if not one["ok"]] == ["image", "model"]
    assert "lmac setup" in examined["image"]["fix"]
    assert "127.0.0.1:9" in examined["model"]["said"]
    assert all(one["fix"] for one in examined.values() if not one["ok"])


def test_doctor_without_an_engine_goes_on_to_the_model_and_the_disk(tmp_path: Path) -> None:
    profile = write_profile(tmp_path, "http://127.0.0.1:9/v1", server={"api_key_env": "NO_SUCH_KEY"})
    order = ("-k", f"model={profile}", "-k", "engine_url=unix:///nonexistent/docker.sock")

    ended = Shell(tmp_path).lmac("doctor", *order)

    assert ended.code == 5
    assert "Traceback" not in ended.stderr
    assert "BAD  engine" in ended.stdout
    assert "BAD  isolation not looked at: no engine answers" in ended.stdout
    assert "BAD  image     not looked at: no engine answers" in ended.stdout
    assert "BAD  model" in ended.stdout
    assert "NO_SUCH_KEY is not set" in ended.stdout
    assert "ok   disk" in ended.stdout


def test_clean_says_what_it_removed(tmp_path: Path) -> None:
    cleaned = Shell(tmp_path).lmac("clean", "--json")

    assert cleaned.code == 0
    told = json.loads(cleaned.stdout)
    assert told.keys() == {"containers", "volumes", "images", "left_to_others", "dependencies"}
    assert told["dependencies"].keys() == {"removed", "freed_bytes", "in_use"}


def test_doctor_warns_of_what_a_version_number_does_not_rule_out(tmp_path: Path, engine: Engine) -> None:
    holes = [hole.said for hole in open_holes(engine.facts())]

    ended = Shell(tmp_path).lmac("doctor", "--json")

    warnings = [one for one in json.loads(ended.stdout) if one["warning"]]
    assert set(holes) <= {one["said"] for one in warnings}
    assert all(one["ok"] and one["fix"] for one in warnings)


def test_a_runtime_that_the_engine_lacks_is_an_error_before_anything_starts(
    tmp_path: Path, image_id: str
) -> None:
    profile = write_profile(tmp_path, "http://127.0.0.1:9/v1")
    order = ("-k", f"model={profile}", "-k", f"image={image_id}", "-k", "isolation.runtime=no-such-runtime")

    ended = Shell(tmp_path).lmac("run", "Write a module", *order)

    ended.complained(5, "isolation.runtime is 'no-such-runtime'", "the engine has only", "next: add")
    assert not (tmp_path / "runs").exists()


def test_the_policy_is_printed_without_an_engine_and_says_what_a_config_asks_for(tmp_path: Path) -> None:
    shell = Shell(tmp_path, {"DOCKER_HOST": "unix:///nonexistent/docker.sock"})
    order = ("-k", "box.pids=33", "-k", "store.kind=disk", "-k", "isolation.runtime=crun")

    in_words = shell.lmac("sandbox", "policy", *order)
    as_json = shell.lmac("sandbox", "policy", *order, "--json")

    assert (in_words.code, as_json.code) == (0, 0)
    policy = json.loads(as_json.stdout)
    assert policy["box"]["HostConfig"]["PidsLimit"] == 33
    assert policy["box"]["HostConfig"]["Runtime"] == policy["keeper"]["HostConfig"]["Runtime"] == "crun"
    assert policy["volume"] == {}
    assert policy["seccomp"]["digest"] == seccomp_digest()
    assert policy["seccomp_profile"]["defaultAction"] == "SCMP_ACT_ERRNO"
    for words in ("network        none", "no-new-privileges", seccomp_digest(), "io_uring_setup", "33"):
        assert words in in_words.stdout


def test_the_policy_holds_every_limit_of_jobs_and_store_and_the_grade_of_every_check(tmp_path: Path) -> None:
    limits = {name: 1001 + number for number, name in enumerate(HELD_BY_RUNNER)}
    order = [part for name, value in limits.items() for part in ("-k", f"box.{name}={value}")]
    order += ["-k", "store.store_files=77", "-k", "evaluation.test_reuse=run"]

    in_words = Shell(tmp_path).lmac("sandbox", "policy", *order)
    policy = json.loads(Shell(tmp_path).lmac("sandbox", "policy", *order, "--json").stdout)

    assert policy["job"].items() >= limits.items()
    assert policy["store"].keys() >= {field.name for field in fields(StoreLimits)}
    assert set(policy["tools_box"]["Cmd"]) - set(policy["box"]["Cmd"]) == {"without-sessions"}
    assert policy["reuse"] == {
        **dict.fromkeys(("syntax", "lint", "types", "tests"), "run"),
        **dict.fromkeys(("acceptance", "run_program"), "single-use"),
    }
    for words in (
        "1001 s",
        "without-sessions",
        "77, folders 77",
        "syntax, lint, types, tests (serves the run",
    ):
        assert words in in_words.stdout
    assert all(str(value) in in_words.stdout for value in limits.values())


def test_what_a_config_names_cannot_steer_the_terminal_from_the_policy(tmp_path: Path) -> None:
    ended = Shell(tmp_path).lmac("sandbox", "policy", "-k", 'image="a\\e[2Jb"')

    assert (ended.code, "a\\x1b[2Jb" in ended.stderr) == (2, True)
    assert "\x1b" not in ended.stdout + ended.stderr
