"""A reply that was cut within a file and its rest become one text, however the rest begins, or none."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lmac.messages import Finish, Reply
from lmac.processor.continuation import how_to_go_on, joined
from lmac.processor.fenced import FencedProtocol
from lmac.tools import instruction_toolbox

FORMS = instruction_toolbox().forms()
LABEL = "FILE: a.py\n```python\n"

WORDS = st.text("abcdefgh_()=. ", min_size=1, max_size=30).map(str.rstrip)


@st.composite
def cut_files(draw: st.DrawFn) -> tuple[str, int]:
    """A file whose lines are all different, and a place within it."""
    words = draw(st.lists(WORDS, min_size=2, max_size=12))
    indents = draw(st.lists(st.sampled_from(["", "    ", "\t"]), min_size=len(words), max_size=len(words)))
    lines = [f"{indent}n{n}{word}" for n, (indent, word) in enumerate(zip(indents, words, strict=True))]
    content = "\n".join(lines) + "\n"
    return content, draw(st.integers(len(indents[0]) + 1, len(content) - 1))


def line_start(content: str, place: int, lines_back: int) -> int:
    """The beginning of the last line that says something before a place, or of one before it."""
    start = content.rfind("\n", 0, len(content[:place].rstrip())) + 1
    for _ in range(lines_back):
        start = content.rfind("\n", 0, max(start - 1, 0)) + 1
    return start


def written(said: str | None) -> str | None:
    """What the file a.py would become."""
    if said is None:
        return None
    parsed = FencedProtocol().parse(Reply(said, Finish.STOP), FORMS)
    assert not parsed.faults
    return str(parsed.actions[0].arguments["content"])


@given(cut_files())
@example(("n0=\nn1._\n", 1))
def test_a_rest_that_goes_on_in_the_midst_of_a_line_is_put_behind_it(file: tuple[str, int]) -> None:
    content, place = file

    assert written(joined(LABEL + content[:place], content[place:] + "```")) == content


@given(cut_files(), st.integers(0, 4), st.booleans())
def test_last_lines_that_come_again_stand_there_once(
    file: tuple[str, int], lines_back: int, closed: bool
) -> None:
    content, place = file
    start = line_start(content, place, lines_back)
    # Of a rest that adds nothing, only a fence says that nothing is missing.
    closed = closed or not content[place:].strip()
    rest = content[start:] + "```\n\nDONE" * closed

    assert written(joined(LABEL + content[:place], rest)) == content


@given(cut_files(), st.integers(0, 4), st.sampled_from(["", "FILE: a.py\n", "Here is the rest:\n\n"]))
def test_a_rest_in_a_fence_of_its_own_is_read_out_of_it(
    file: tuple[str, int], lines_back: int, before: str
) -> None:
    content, place = file
    start = line_start(content, place, lines_back)

    assert written(joined(LABEL + content[:place], f"{before}```python\n{content[start:]}```")) == content


@given(cut_files(), st.sampled_from(["", LABEL, "Sorry, the whole file:\n```python\n"]))
def test_a_file_that_begins_anew_takes_the_place_of_the_first(file: tuple[str, int], before: str) -> None:
    content, place = file

    assert written(joined(LABEL + content[:place], f"{before}{content}```\n")) == content


def test_a_file_that_begins_anew_may_go_on_otherwise_than_before() -> None:
    first = LABEL + "import re\n\n\ndef a():\n    return re.comp"
    again = "import re\n\n\ndef a():\n    return 1\n```"

    assert written(joined(first, again)) == "import re\n\n\ndef a():\n    return 1\n"


@pytest.mark.parametrize("rest", ["return add(b)\n```", "\nreturn add(b)\n```", "    return add(b)\n```"])
def test_a_repeated_line_may_have_lost_its_indent(rest: str) -> None:
    said = joined(f"{LABEL}def f(b):\n    return a", rest)

    assert written(said) == "def f(b):\n    return add(b)\n"


def test_what_follows_the_file_is_read_too() -> None:
    rest = "a = 1\nb = 2\n```\n\nFILE: test_a.py\n```python\nimport a\n```\n\nDONE"
    said = joined(f"FILE: c.py\n```\nc = 3\n```\n{LABEL}a = ", rest)
    assert said is not None
    parsed = FencedProtocol().parse(Reply(said, Finish.STOP), FORMS)

    assert [(action.name, action.arguments.get("path")) for action in parsed.actions] == [
        ("write", "c.py"),
        ("write", "a.py"),
        ("write", "test_a.py"),
        ("done", None),
    ]


def test_a_closing_fence_alone_ends_the_file() -> None:
    assert written(joined(f"{LABEL}a = 1\n", "```")) == "a = 1\n"


def test_markdown_keeps_the_fences_within_it() -> None:
    head = "FILE: a.md\n````markdown\n# Title\n\nRun "

    assert written(joined(head, "this:\n\n```sh\nmake\n```\n````")) == (
        "# Title\n\nRun this:\n\n```sh\nmake\n```\n"
    )


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "  \n",
        "The file is complete.",
        "a = 1",
        "FILE: b.py\n```python\nb = 2\n```",
        "```python\nnothing_of_this = 1\n```",
    ],
    ids=["empty", "blank", "words", "the same line alone", "another file", "a fence without any place"],
)
def test_of_a_rest_that_does_not_fit_nothing_is_made(rest: str) -> None:
    assert joined(f"{LABEL}import re\na = 1", rest) is None


@given(st.text(), st.text())
def test_whatever_is_said_joining_ends_and_keeps_what_stood_before_the_file(said: str, more: str) -> None:
    whole = joined(f"FILE: c.py\n```\nc = 3\n```\n{LABEL}{said}", more)

    assert whole is None or whole.startswith(f"FILE: c.py\n```\nc = 3\n```\n{LABEL}")


def test_the_question_names_the_line_that_was_cut() -> None:
    asked = how_to_go_on(f"{LABEL}def f(b):\n    return a")

    assert asked is not None
    assert asked.endswith("That line begins:\n    return a")


def test_of_a_long_line_the_question_names_nothing() -> None:
    asked = how_to_go_on(f"{LABEL}{'x' * 1000}")

    assert asked is not None
    assert "x" * 10 not in asked


@pytest.mark.parametrize("said", ["", "DONE", f"{LABEL}a = 1\n```", "FILE: a.py\n<<<<<<< SEARCH\na"])
def test_nothing_is_asked_of_a_reply_that_ends_outside_of_fences(said: str) -> None:
    assert how_to_go_on(said) is None
