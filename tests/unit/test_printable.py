"""Text for a terminal is shown, never obeyed; and a reader that has gone is no error."""

from __future__ import annotations

import os
import pty

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac.cli import exit_code_of
from lmac.commands.terminal import terminal_json
from lmac.errors import ConfigError, ExitCode
from lmac.printable import printable, reader_may_go

ANY_TEXT = st.text(alphabet=st.characters())


@given(ANY_TEXT)
def test_whatever_comes_is_one_printable_line(text: str) -> None:
    assert printable(text).isprintable()


@given(ANY_TEXT)
def test_newlines_stay_only_if_they_may(text: str) -> None:
    shown = printable(text, keep_newlines=True)

    assert shown.count("\n") == text.count("\n")
    assert shown.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("char", "shown"),
    [
        ("\x1b", r"\x1b"),
        ("\x07", r"\x07"),
        ("\r", r"\r"),
        ("\x7f", r"\x7f"),
        ("\x9b", r"\x9b"),
        ("\u202e", r"\u202e"),
        ("\u2066", r"\u2066"),
        ("\ud800", r"\ud800"),
        ("\n", r"\n"),
    ],
)
def test_what_moves_hides_or_turns_text_is_named(char: str, shown: str) -> None:
    assert printable(f"a{char}b") == f"a{shown}b"


def test_words_of_any_language_stay_as_they_are() -> None:
    assert printable("größer 写一个栈 λ → ✓") == "größer 写一个栈 λ → ✓"


@given(ANY_TEXT)
def test_json_for_a_terminal_is_ascii_and_holds_the_same(text: str) -> None:
    shown = terminal_json([text])

    assert shown.isascii()
    assert shown.replace("\n", "").isprintable()


def test_a_complaint_keeps_its_lines_and_escapes_what_it_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        raise ConfigError("the server said:\n  \x1b[2J\u202egone\r", "call \x07")

    assert exit_code_of(fails) is ExitCode.CONFIG
    said = "lmac: the server said:\n  \\x1b[2J\\u202egone\\r\n  next: call \\x07\n"
    assert capsys.readouterr().err == said


def test_a_closed_terminal_takes_what_is_written_to_it() -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        os.close(master)
        for _ in range(2):
            with reader_may_go(stream):
                print("nobody reads this", file=stream, flush=True)


def test_a_full_disk_is_not_taken_for_a_reader_that_has_gone() -> None:
    with (
        open("/dev/full", "w", encoding="utf-8", buffering=1) as stream,
        pytest.raises(OSError, match="No space left"),
        reader_may_go(stream),
    ):
        os.write(stream.fileno(), b"x")
