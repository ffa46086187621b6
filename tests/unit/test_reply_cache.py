"""Replies are kept by what was asked, survive what may happen to their folder, and cost nothing."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lmac.errors import ConfigError, ModelError, ModelFault
from lmac.messages import Finish, Message, Reply, Request, Role, Sampling, ToolCall, Usage
from lmac.processor import ServerProcessor
from lmac.processor.recorded import RecordedProcessor
from lmac.processor.reply_cache import CachingProcessor, ReplyCache

REQUEST = Request((Message(Role.USER, "Hello."),), Sampling(0.0, 100, seed=1))
OTHER = replace(REQUEST, messages=(Message(Role.USER, "Goodbye."),))
WARM = replace(REQUEST, sampling=Sampling(0.8, 100))
HELLO = Reply("Hello.", Finish.STOP, Usage(10, 2, 4), model="m", seconds=1.5)
CALLING = Reply("", Finish.TOOL_CALLS, Usage(10, 2), (ToolCall("c1", "read", '{"path": "ä.py"}'),))
MODEL = {"server": "http://here/v1", "model": "m"}


class Recorded(RecordedProcessor, ServerProcessor):
    base_url = "http://here/v1"

    def fetch(self, address: str) -> bytes | None:
        return address.encode()


def caching(folder: Path, *replies: Reply | ModelError, **model: object) -> tuple[CachingProcessor, Recorded]:
    server = Recorded(replies)
    return CachingProcessor(server, ReplyCache(folder), {**MODEL, **model}), server


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("??/*.reply"))


@pytest.mark.parametrize("reply", [HELLO, CALLING])
def test_the_same_request_gets_the_same_reply_in_a_later_run(tmp_path: Path, reply: Reply) -> None:
    first, _ = caching(tmp_path, reply)
    assert first.ask(REQUEST) == reply

    later, server = caching(tmp_path)

    assert later.ask(REQUEST) == replace(reply, cached=True)
    assert later.ask(REQUEST) == replace(reply, cached=True)
    assert server.requests == []


def test_another_request_or_another_model_asks_again(tmp_path: Path) -> None:
    caching(tmp_path, HELLO)[0].ask(REQUEST)
    another, server = caching(tmp_path, CALLING, HELLO)
    other_model, other_server = caching(tmp_path, CALLING, model="larger")

    another.ask(OTHER)
    another.ask(replace(REQUEST, stop=("x",)))
    other_model.ask(REQUEST)

    assert len(server.requests) == 2
    assert len(other_server.requests) == 1


def test_what_is_left_to_chance_is_asked_as_often_as_before(tmp_path: Path) -> None:
    second = replace(HELLO, text="Kia ora.")
    first, server = caching(tmp_path, HELLO, second)
    assert [first.ask(WARM).text for _ in range(2)] == ["Hello.", "Kia ora."]

    later, later_server = caching(tmp_path, CALLING)

    assert [later.ask(WARM).text for _ in range(3)] == ["Hello.", "Kia ora.", ""]
    assert len(server.requests) == 2
    assert len(later_server.requests) == 1


@pytest.mark.parametrize(
    "reply",
    [
        replace(HELLO, finish=Finish.LENGTH),
        replace(HELLO, finish=Finish.FILTERED),
        replace(HELLO, text=""),
        ModelFault("no"),
    ],
)
def test_what_was_cut_or_failed_is_not_kept(tmp_path: Path, reply: Reply | ModelError) -> None:
    processor, server = caching(tmp_path, reply, HELLO)
    if isinstance(reply, ModelError):
        with pytest.raises(ModelFault):
            processor.ask(REQUEST)
    else:
        processor.ask(REQUEST)

    assert entries(tmp_path) == []
    assert processor.ask(REQUEST) == HELLO
    assert len(server.requests) == 2


def _flipped(content: bytes) -> bytes:
    return content[:-20] + bytes([content[-20] ^ 1]) + content[-19:]


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_flipped, "its bytes are not the ones that were kept"),
        (lambda content: content[:50], "its bytes are not the ones that were kept"),
        (lambda content: b"", "its bytes are not the ones that were kept"),
        (lambda content: b"\xff" * (9 * 2**20), "it is longer than 8,388,608 bytes"),
    ],
)
def test_an_entry_that_was_harmed_is_named_passed_over_and_replaced(
    tmp_path: Path, harm: Callable[[bytes], bytes], said: str
) -> None:
    caching(tmp_path, HELLO)[0].ask(REQUEST)
    path = entries(tmp_path)[0]
    whole = path.read_bytes()
    path.write_bytes(harm(whole))
    faults: list[tuple[str, str]] = []
    server = Recorded([HELLO])
    processor = CachingProcessor(
        server, ReplyCache(tmp_path, on_fault=lambda *told: faults.append(told)), MODEL
    )

    assert processor.ask(REQUEST) == HELLO

    assert faults == [(str(path), said)]
    assert path.read_bytes() == whole


def test_a_reply_under_the_name_of_another_is_none(tmp_path: Path) -> None:
    processor, _ = caching(tmp_path, HELLO, CALLING)
    processor.ask(REQUEST)
    hello = entries(tmp_path)[0]
    processor.ask(OTHER)
    other = next(path for path in entries(tmp_path) if path != hello)
    other.write_bytes(hello.read_bytes())
    faults: list[str] = []
    cache = ReplyCache(tmp_path, on_fault=lambda _, fault: faults.append(fault))

    assert CachingProcessor(Recorded([CALLING]), cache, MODEL).ask(OTHER) == CALLING

    assert faults == ["it is the reply to another request"]


def test_a_link_is_no_entry(tmp_path: Path) -> None:
    caching(tmp_path, HELLO)[0].ask(REQUEST)
    path = entries(tmp_path)[0]
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    server = Recorded([HELLO])

    CachingProcessor(server, ReplyCache(tmp_path), MODEL).ask(REQUEST)

    assert len(server.requests) == 1


def test_what_nobody_asked_for_longest_goes_when_the_room_is_spent(tmp_path: Path) -> None:
    cache = ReplyCache(tmp_path, most_bytes=20_000)
    long = replace(HELLO, text="x" * 2000)
    keys = [f"{number:02x}{'0' * 62}" for number in range(12)]
    for number, key in enumerate(keys):
        cache.put(key, long)
        if number < 8:
            os.utime(tmp_path / key[:2] / f"{key}.reply", ns=(number * 10**9, number * 10**9))
            cache.get(keys[0])

    kept = {path.stem for path in entries(tmp_path)}
    assert sum(path.stat().st_size for path in entries(tmp_path)) <= 20_000
    assert keys[0] in kept, "it was asked for again and again"
    assert keys[-1] in kept
    assert keys[1] not in kept


def test_a_cache_that_is_opened_knows_what_is_in_it(tmp_path: Path) -> None:
    long = replace(HELLO, text="x" * 2000)
    for number in range(12):
        # Each is one of a run that puts one reply.
        ReplyCache(tmp_path, most_bytes=10_000).put(f"{number:02x}{'0' * 62}", long)

    assert sum(path.stat().st_size for path in entries(tmp_path)) <= 10_000


def test_what_is_no_entry_stays_when_room_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "00"
    folder.mkdir()
    own = folder / ("1" * 38)
    own.write_bytes(b"an object of git's" * 2000)
    left = folder / f".{'0' * 64}.reply.4711.0badcafe"
    left.write_bytes(b"x" * 2000)
    for path in (own, left):
        os.utime(path, ns=(1, 1))
    long = replace(HELLO, text="x" * 2000)
    for number in range(12):
        ReplyCache(tmp_path, most_bytes=10_000).put(f"{number:02x}{'0' * 62}", long)

    assert own.exists()
    assert not left.exists()


def _write_many(folder: str, first: int) -> None:
    cache = ReplyCache(Path(folder), most_bytes=60_000)
    for number in range(150):
        key = f"{(first + number) % 40:02x}{'0' * 62}"
        cache.put(key, replace(HELLO, text="x" * 2000))
        cache.get(key)


def test_two_processes_share_a_cache_without_a_torn_entry(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(str(tmp_path), first)) for first in (0, 20)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    faults: list[str] = []
    cache = ReplyCache(tmp_path, on_fault=lambda _, fault: faults.append(fault))
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert all(cache.get(path.stem) is not None for path in entries(tmp_path))
    assert faults == []
    assert sum(path.stat().st_size for path in entries(tmp_path)) <= 66_000
    assert not [path for path in tmp_path.glob("??/*") if not path.name.endswith(".reply")]


def test_a_folder_that_cannot_be_written_to_costs_the_entries_only(tmp_path: Path) -> None:
    faults: list[str] = []
    cache = ReplyCache(tmp_path / "cache", on_fault=lambda _, fault: faults.append(fault))
    (tmp_path / "cache").rmdir()
    (tmp_path / "cache").write_text("no folder")

    assert CachingProcessor(Recorded([HELLO]), cache, MODEL).ask(REQUEST) == HELLO

    assert faults == ["Not a directory", "Not a directory"]


def test_a_folder_that_cannot_be_made_is_said_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match=r"response cache .*file/cache: Not a directory"):
        ReplyCache(tmp_path / "file" / "cache")


def test_the_cache_stands_for_its_server(tmp_path: Path) -> None:
    processor, _ = caching(tmp_path)

    assert processor.base_url == "http://here/v1"
    assert processor.fetch("models") == b"models"


def test_an_entry_is_plain_json_below_its_digest(tmp_path: Path) -> None:
    caching(tmp_path, HELLO)[0].ask(REQUEST)

    digest, body = entries(tmp_path)[0].read_text().split("\n")

    assert len(digest) == 64
    assert json.loads(body)["text"] == "Hello."
