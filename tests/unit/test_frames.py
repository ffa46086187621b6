"""Frames and the engine's stream headers, cut anywhere."""

from __future__ import annotations

import socket
import threading
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac_sandbox import EngineFailure
from lmac_sandbox.inside.frames import PROTOCOL, Decoder, FrameError, encode
from lmac_sandbox.wire import Channel, Demultiplexer, Stream

FRAMES = st.lists(st.dictionaries(st.text(), st.text() | st.integers() | st.none(), max_size=4), max_size=5)


def cut(whole: bytes, points: list[int]) -> list[bytes]:
    edges = [0, *sorted(point % (len(whole) + 1) for point in points), len(whole)]
    return [whole[start:end] for start, end in pairwise(edges)]


def headed(stream: int, content: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(content).to_bytes(4, "big") + content


@given(FRAMES, st.lists(st.integers(0, 10_000)))
def test_frames_come_back_however_the_stream_is_cut(
    frames: list[dict[str, object]], points: list[int]
) -> None:
    decoder = Decoder()
    stream = b"".join(map(encode, frames))

    assert [frame for chunk in cut(stream, points) for frame in decoder.feed(chunk)] == frames
    assert decoder.pending_bytes == 0


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\x00\x00\x02[]",
        b"\x00\x00\x00\x03abc",
        b"\x00\x00\x00\x00",
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x02\xff\xfe",
    ],
)
def test_bytes_that_are_no_frame_are_refused(raw: bytes) -> None:
    with pytest.raises(FrameError):
        list(Decoder().feed(raw))


def test_deeply_nested_json_is_refused_and_does_no_harm() -> None:
    body = b"[" * 200_000
    with pytest.raises(FrameError):
        list(Decoder().feed(len(body).to_bytes(4, "big") + body))


def test_a_frame_beyond_the_limit_is_refused_by_its_length_alone() -> None:
    with pytest.raises(FrameError, match="announces 101"):
        list(Decoder(frame_bytes=100).feed(b"\x00\x00\x00\x65"))


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40))), st.lists(st.integers(0, 10_000)))
def test_streams_are_taken_apart_however_they_are_cut(
    pieces: list[tuple[int, bytes]], points: list[int]
) -> None:
    demultiplexer = Demultiplexer()
    whole = b"".join(headed(stream, content) for stream, content in pieces)
    streams = {1: b"", 2: b""}
    for chunk in cut(whole, points):
        for stream, content in demultiplexer.feed(chunk):
            streams[stream] += content

    assert streams == {n: b"".join(content for stream, content in pieces if stream == n) for n in (1, 2)}


def test_a_wrong_stream_header_is_refused() -> None:
    with pytest.raises(FrameError):
        list(Demultiplexer().feed(b"HTTP/1.1 200 OK\r\n"))


def test_sixty_megabytes_are_taken_apart_in_linear_time() -> None:
    demultiplexer = Demultiplexer()
    piece = headed(1, b"x" * 1000) * 64
    started = time.perf_counter()
    for _ in range(940):
        for _ in demultiplexer.feed(piece):
            pass

    assert time.perf_counter() - started < 5.0


def test_an_answer_that_drips_in_does_not_outlive_its_deadline() -> None:
    ours, theirs = socket.socketpair()
    over = threading.Event()

    def drip() -> None:
        for byte in headed(1, encode({"hello": "x" * 1000})):
            theirs.send(bytes([byte]))
            if over.wait(0.01):
                return

    thread = threading.Thread(target=drip)
    with ours, theirs:
        thread.start()
        started = time.monotonic()
        with pytest.raises(EngineFailure, match="did not answer in time"):
            Channel(Stream(ours), "runner").hello(PROTOCOL, 0.2)
        took = time.monotonic() - started
        over.set()
        thread.join()

    assert took < 2
