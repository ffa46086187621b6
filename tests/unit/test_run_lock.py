"""A lock is read as it was written, compared value by value, and stands in the way of another run."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lmac import run_lock
from lmac.errors import ConfigError, ModelError, ModelUnreachable
from lmac.journal import Journal
from lmac.messages import Finish, Message, Reply, Request, Role, Sampling
from lmac.processor import ServerProcessor
from lmac.processor.recorded import RecordedProcessor
from lmac.redaction import KEY_SHOWN, Redaction
from lmac.run_lock import (
    LOCK_NAME,
    Difference,
    Drift,
    Drifted,
    RecordedLock,
    WitnessedProcessor,
    compare,
    demand_same,
    parse_lock,
    recorded_lock,
    schema_json,
)
from lmac.run_lock.content import Package
from lmac.run_lock.gathering import source_digest
from lmac.run_lock.recording import with_dependencies
from lmac_sandbox import checkout_state
from locks import PLAIN, lock

FILE_SHA256 = "1" * 64
GREETING: dict[str, Any] = {
    "file_sha256": FILE_SHA256,
    "asked": ["greeting"],
    "pins": [
        {"name": "greeting", "version": "1.0", "file": "greeting-1.0-py3-none-any.whl", "sha256": "f" * 64}
    ],
    "layer_sha256": "e" * 64,
    "image_id": "sha256:of-the-engine",
}
REQUEST = Request((Message(Role.USER, "Hello."),), Sampling(0.0, 100))


# Its text


def test_a_lock_is_read_as_it_was_written_and_the_same_lock_gives_the_same_bytes() -> None:
    text = lock().as_json()

    assert parse_lock(text, "run.lock") == lock()
    assert parse_lock(text, "run.lock").as_json() == text
    assert text.isascii()
    shuffled = {name: PLAIN[name] for name in reversed(PLAIN)}
    assert parse_lock(json.dumps(shuffled), "run.lock").as_json() == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "run.lock: the file: Invalid JSON"),
        (json.dumps({**PLAIN, "version": 2}), "run.lock: version: Input should be 1"),
        (json.dumps({**PLAIN, "more": 1}), "run.lock: more: Extra inputs are not permitted"),
        (json.dumps({**PLAIN, "image": {}}), "run.lock: image.id: Field required"),
    ],
)
def test_what_is_no_lock_is_named(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_lock(text, "run.lock")

    assert caught.value.message.startswith(said)


def test_the_published_schema_is_that_of_the_lock() -> None:
    published = Path(run_lock.__file__).with_name("run.lock.schema.json")

    assert published.read_text() == schema_json()


# Comparing


def test_locks_that_are_the_same_do_not_differ() -> None:
    assert compare(lock(), lock()) == ()
    assert demand_same(lock(), lock()) == ()


@pytest.mark.parametrize(
    ("changes", "path", "drift"),
    [
        ({"image": {"id": "sha256:2"}}, "image.id", Drift.DECIDES),
        ({"image": {"layers": ["sha256:a", "sha256:c"]}}, "image.layers[1]", Drift.DECIDES),
        ({"image": {"layers": ["sha256:a"]}}, "image.layers", Drift.DECIDES),
        ({"image": {"packages": {}}}, "image.packages.deb libc6", Drift.DECIDES),
        ({"prompts": {"each": {"red": "0" * 64}}}, "prompts.each.red", Drift.DECIDES),
        ({"checks": {"sha256": "0" * 64}}, "checks.sha256", Drift.DECIDES),
        ({"profile": {"temperature": 0.5}}, "profile.temperature", Drift.DECIDES),
        ({"policy": {"seccomp_sha256": "0" * 64}}, "policy.seccomp_sha256", Drift.DECIDES),
        ({"lmac": {"version": "0.2"}}, "lmac.version", Drift.DECIDES),
        ({"config": {"budget": {"tokens": 2000, "calls": None}}}, "config.budget.tokens", Drift.DECIDES),
        ({"config": {"runs_folder": "elsewhere"}}, "config.runs_folder", Drift.TOLD),
        ({"engine": {"kernel": "6.2"}}, "engine.kernel", Drift.TOLD),
        ({"engine": {"version": "28"}}, "engine.version", Drift.TOLD),
        ({"host": {"processors": 64}}, "host.processors", Drift.TOLD),
        ({"lmac": {"dirty": True}}, "lmac.dirty", Drift.TOLD),
    ],
)
def test_each_difference_is_named_by_its_path_and_by_what_it_means(
    changes: Mapping[str, Any], path: str, drift: Drift
) -> None:
    found = compare(lock(), lock(**changes))

    assert [(one.path, one.drift) for one in found] == [(path, drift)]


def test_both_values_of_a_difference_are_kept_and_what_is_not_there_is_none() -> None:
    more = {
        "deb libc6": PLAIN["image"]["packages"]["deb libc6"],
        "wheel pytest": {"version": "9", "sha256": ""},
    }

    found = compare(lock(), lock(image={"packages": more}, host={"processors": 4}))

    assert found == (
        Difference("host.processors", 2, 4),
        Difference("image.packages.wheel pytest", None, {"version": "9", "sha256": ""}),
    )


def test_going_on_with_another_image_is_refused_with_each_difference_and_the_way_to_allow_it() -> None:
    now = lock(image={"id": "sha256:2"}, config={"seed": 2}, engine={"kernel": "6.2"})

    with pytest.raises(Drifted) as caught:
        demand_same(lock(), now)

    assert [one.path for one in caught.value.differences] == ["config.seed", "image.id"]
    assert 'image.id: "sha256:1" -> "sha256:2"' in caught.value.message
    assert "config.seed: 1 -> 2" in caught.value.message
    assert "kernel" not in caught.value.message
    assert "--allow-drift config --allow-drift image" in caught.value.next_step


@pytest.mark.parametrize("allowed", [("image", "config"), ("image.id", "config.seed")])
def test_what_is_allowed_by_name_may_differ_and_is_told(allowed: tuple[str, ...]) -> None:
    now = lock(image={"id": "sha256:2"}, config={"seed": 2}, engine={"kernel": "6.2"})

    found = demand_same(lock(), now, allowed)

    assert [one.path for one in found] == ["config.seed", "engine.kernel", "image.id"]


def test_allowing_one_part_allows_no_other() -> None:
    with pytest.raises(Drifted) as caught:
        demand_same(lock(), lock(image={"id": "x"}, config={"seed": 2}), ["image"])

    assert [one.path for one in caught.value.differences] == ["config.seed"]
    assert "--allow-drift image --allow-drift config" in caught.value.next_step


def test_a_part_that_no_lock_has_is_refused() -> None:
    with pytest.raises(ConfigError, match="--allow-drift imagge: no such part") as caught:
        demand_same(lock(), lock(), ["imagge"])

    assert "image" in caught.value.next_step


def test_what_the_server_said_is_no_drift_before_it_has_answered() -> None:
    said = lock(server={"answered": [{"model": "m", "fingerprint": "f"}]})

    assert demand_same(said, lock()) == ()
    assert [one.path for one in compare(said, lock())] == ["server.answered"]


def test_packages_that_were_given_later_are_compared_one_by_one_and_are_no_drift_of_a_resume() -> None:
    given = with_dependencies(lock(), GREETING)
    other = with_dependencies(lock(), {**GREETING, "pins": [{**GREETING["pins"][0], "version": "1.1"}]})

    assert demand_same(given, lock()) == ()
    (found,) = compare(given, other)
    assert found == Difference(f"dependencies.{FILE_SHA256}.packages.greeting.version", "1.0", "1.1")
    assert found.drift is Drift.DECIDES
    with pytest.raises(ConfigError, match="no such part"):
        demand_same(given, lock(), ["dependencies"])


# In the run's folder


def test_the_lock_is_in_the_folder_and_can_be_made_again_from_the_journal(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        recorded = RecordedLock(lock(), journal, tmp_path)
        assert (tmp_path / LOCK_NAME).read_text() == lock().as_json()
        recorded.add_server({"answered": [{"model": "m", "fingerprint": "f1"}], "listed": {"id": "m"}})
        recorded.add_server({"answered": [{"model": "m", "fingerprint": "f2"}]})

    told = recorded_lock(tmp_path)

    assert told == recorded.lock
    assert [one.fingerprint for one in recorded.lock.server.answered] == ["f1", "f2"]
    assert recorded.lock.server.listed == {"id": "m"}
    assert (tmp_path / LOCK_NAME).read_text() == recorded.lock.as_json()
    assert not list(tmp_path.glob("*.partial"))


def test_packages_that_boxes_got_are_in_the_lock_after_the_run_is_gone_on_with_too(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        recorded = RecordedLock(lock(), journal, tmp_path)
        recorded.add_dependencies(journal.append("dependencies", **GREETING).data)
        journal.append("run_lock", sha256=journal.keep(lock().as_json()))

    part = recorded.lock.dependencies[FILE_SHA256]
    assert part.layer_sha256 == "e" * 64
    assert part.packages == {"greeting": Package(version="1.0", sha256="f" * 64)}
    assert recorded_lock(tmp_path) == recorded.lock
    assert (tmp_path / LOCK_NAME).read_text() == recorded.lock.as_json()


def test_an_event_that_tells_of_no_packages_is_named(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        RecordedLock(lock(), journal, tmp_path)
        journal.append("dependencies", **{**GREETING, "pins": [{"name": "greeting"}]})

    with pytest.raises(ConfigError, match="event 1: no packages that boxes got"):
        recorded_lock(tmp_path)


def test_a_run_without_a_lock_has_none(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.append("run_opened")

    assert recorded_lock(tmp_path) is None


def test_no_key_stands_in_a_lock(tmp_path: Path) -> None:
    key = "sk-0123456789"
    with Journal(tmp_path) as journal:
        journal.redaction = Redaction([key])
        recorded = RecordedLock(lock(profile={"name": key}), journal, tmp_path)
        recorded.add_server({"answered": [], "listed": {"owner": key}})

    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert key.encode() not in written
    assert recorded.lock.profile == {"name": KEY_SHOWN, "temperature": 0.0}
    assert recorded_lock(tmp_path) == recorded.lock


# Who answered


class Telling(RecordedProcessor, ServerProcessor):
    """Has these bodies at addresses."""

    base_url = "http://here:8080/v1/"

    def __init__(self, replies: list[Reply | ModelError], bodies: Mapping[str, Any]) -> None:
        super().__init__(replies)
        self._bodies = bodies

    def fetch(self, address: str) -> bytes | None:
        body = self._bodies.get(address)
        if isinstance(body, ModelError):
            raise body
        return None if body is None else json.dumps(body).encode()


def reply(fingerprint: str = "", model: str = "m-2024") -> Reply:
    return Reply("Hello.", Finish.STOP, model=model, fingerprint=fingerprint)


def witnessed(replies: list[Reply | ModelError], bodies: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What is told while all these replies come."""
    told: list[Mapping[str, Any]] = []
    processor = WitnessedProcessor(Telling(replies, bodies), "m", told.append)
    for one in replies:
        if isinstance(one, ModelError):
            with pytest.raises(ModelError):
                processor.ask(REQUEST)
        else:
            assert processor.ask(REQUEST) == one
    return told


def test_who_answers_is_told_with_the_first_reply_and_when_that_changes() -> None:
    models = {"data": [{"id": "other"}, {"id": "m", "owned_by": "us", "created": 1, "meta": {"n_params": 7}}]}
    props = {
        "build_info": "b1",
        "chat_template": "{{ x }}",
        "default_generation_settings": {"n_ctx": 4096, "seed": 1},
        "model_path": "/home/someone/m.gguf",
    }

    told = witnessed(
        [ModelUnreachable("no"), reply("f1"), reply("f1"), reply("f2"), reply("f1")],
        {"models": models, "http://here:8080/props": props},
    )

    assert [one["answered"] for one in told] == [
        [{"model": "m-2024", "fingerprint": "f1"}],
        [{"model": "m-2024", "fingerprint": "f2"}],
    ]
    assert told[0]["listed"] == {"id": "m", "owned_by": "us", "meta": {"n_params": 7}}
    assert told[0]["properties"] == {
        "build_info": "b1",
        "n_ctx": 4096,
        "chat_template_sha256": "e52c737297f7dad622da7e58f5a16e7437f2716daccb4da859fc567ccd75c9a4",
    }


@pytest.mark.parametrize(
    "bodies", [{}, {"models": ModelUnreachable("gone")}, {"models": ["?"]}, {"models": 3}]
)
def test_a_server_that_tells_nothing_of_itself_is_as_good(bodies: Mapping[str, Any]) -> None:
    told = witnessed([reply()], bodies)

    assert told == [{"answered": [{"model": "m-2024", "fingerprint": ""}], "listed": {}, "properties": {}}]


def test_long_words_of_a_server_are_kept_by_their_digest() -> None:
    told = witnessed([reply("f" * 1000)], {"models": {"data": [{"id": "m", "card": "x" * 9000}]}})

    assert told[0]["listed"].keys() == {"sha256", "bytes"}
    assert told[0]["answered"][0]["fingerprint"] == "f" * 200


def test_replies_side_by_side_tell_once() -> None:
    told: list[Mapping[str, Any]] = []
    processor = WitnessedProcessor(Telling([reply("f")] * 8, {}), "m", told.append)
    threads = [threading.Thread(target=processor.ask, args=(REQUEST,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(told) == 1


# This program


def git(folder: Path, *arguments: str) -> None:
    name = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *name, *arguments], cwd=folder, check=True, capture_output=True)


def test_a_checkout_tells_its_commit_and_whether_what_counts_was_changed(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "a.py").write_text("x = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")

    clean = checkout_state(tmp_path, ["engine"])
    (tmp_path / "notes.txt").write_text("aside\n")
    aside = checkout_state(tmp_path, ["engine"])
    (tmp_path / "engine" / "a.py").write_text("x = 2\n")
    changed = checkout_state(tmp_path, ["engine"])
    git(tmp_path, "add", ".")
    staged = checkout_state(tmp_path, ["engine"])
    git(tmp_path, "commit", "-qm", "second")
    (tmp_path / "engine" / "b.py").write_text("")
    added = checkout_state(tmp_path, ["engine"])

    assert clean is not None
    assert len(clean.commit) == 40
    assert (clean.dirty, aside) == (False, clean)
    assert [one.dirty for one in (changed, staged, added) if one] == [True, True, True]
    assert added is not None
    assert added.commit != clean.commit


def test_what_is_no_checkout_has_no_commit(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    git(tmp_path, "init", "-q")

    assert checkout_state(tmp_path / "below", ["engine"]) is None
    assert checkout_state(tmp_path, ["engine"]) is None, "nothing was committed"


def test_a_helper_that_a_checkout_names_is_not_run(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "a.py").write_text("")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    git(tmp_path, "config", "core.fsmonitor", f"touch {tmp_path}/mark; false")

    assert checkout_state(tmp_path, ["engine"]) is not None
    assert not (tmp_path / "mark").exists()


def test_the_source_of_this_program_has_one_digest() -> None:
    assert len(source_digest()) == 64
    assert source_digest() == source_digest()
