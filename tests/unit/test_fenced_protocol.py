"""The fenced form, as small models really write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac.messages import Action, Finish, Observation, Reply, Role
from lmac.processor.actions import EditForm, Parsed
from lmac.processor.fenced import NOTHING_ASKED, FencedProtocol
from lmac.processor.native import NativeProtocol
from lmac.tools import instruction_toolbox

FORMS = instruction_toolbox().forms()
PROTOCOL = FencedProtocol()


def parsed(text: str, finish: Finish = Finish.STOP) -> Parsed:
    return PROTOCOL.parse(Reply(text, finish), FORMS)


def write(path: str, content: str) -> Action:
    return Action("write", {"path": path, "content": content})


ONE_FILE = {
    "as told": "FILE: pkg/a.py\n```python\nx = 1\n```",
    "bold": "**FILE: pkg/a.py**\n```python\nx = 1\n```",
    "bold path alone": "**pkg/a.py**\n\n```python\nx = 1\n```",
    "bold with colon": "**pkg/a.py:**\n```python\nx = 1\n```",
    "heading": "### pkg/a.py\n```python\nx = 1\n```",
    "heading in backticks": "### `pkg/a.py`\n\n```python\nx = 1\n```",
    "numbered": "1. `pkg/a.py`\n```python\nx = 1\n```",
    "bullet": "- pkg/a.py:\n```python\nx = 1\n```",
    "backticks and colon": "`pkg/a.py`:\n```python\nx = 1\n```",
    "lower case": "file: pkg/a.py\n```\nx = 1\n```",
    "quoted": "> FILE: pkg/a.py\n```python\nx = 1\n```",
    "info string": "```python pkg/a.py\nx = 1\n```",
    "info string alone": "```pkg/a.py\nx = 1\n```",
    "info string with colon": "```python:pkg/a.py\nx = 1\n```",
    "info string with key": '```python title="pkg/a.py"\nx = 1\n```',
    "tilde fence": "FILE: pkg/a.py\n~~~python\nx = 1\n~~~",
    "four backticks": "FILE: pkg/a.py\n````python\nx = 1\n````",
    "longer closing fence": "FILE: pkg/a.py\n```python\nx = 1\n`````",
    "last fence left open": "FILE: pkg/a.py\n```python\nx = 1",
    "carriage returns": "FILE: pkg/a.py\r\n```python\r\nx = 1\r\n```\r\n",
    "remark": "FILE: pkg/a.py (updated)\n```python\nx = 1\n```",
    "end of a sentence": "Here is the module `pkg/a.py`:\n\n```python\nx = 1\n```",
    "indented list item": "1. FILE: pkg/a.py\n  ```python\n  x = 1\n  ```",
    "heading, then a heading of its content": "### File `pkg/a.py`\n\n#### Content:\n```python\nx = 1\n```",
    "bold, then a word for its content": "**pkg/a.py**\nCode:\n```python\nx = 1\n```",
    "words around it": "Sure! Here it is:\n\nFILE: pkg/a.py\n```python\nx = 1\n```\nI hope that this helps.",
}


@pytest.mark.parametrize("text", ONE_FILE.values(), ids=ONE_FILE.keys())
def test_the_ways_in_which_models_name_a_file(text: str) -> None:
    assert parsed(text) == Parsed((write("pkg/a.py", "x = 1\n"),))


@pytest.mark.parametrize("comment", ["# pkg/a.py", "# FILE: pkg/a.py", "// pkg/a.py", "<!-- pkg/a.py -->"])
def test_a_path_in_the_first_comment_names_the_file_and_stays_in_it(comment: str) -> None:
    assert parsed(f"```\n{comment}\nx = 1\n```") == Parsed((write("pkg/a.py", f"{comment}\nx = 1\n"),))


@pytest.mark.parametrize("fence", ["```python", "FILE: a.py\n```python", "```"])
def test_labels_within_one_fence_divide_it_into_files(fence: str) -> None:
    text = f"{fence}\n# FILE: a.py\na = 1\n\n\n# FILE: pkg/b.py\nb = 2\n\x0c\nc = 3\n```"

    assert parsed(text) == Parsed((write("a.py", "a = 1\n"), write("pkg/b.py", "b = 2\n\x0c\nc = 3\n")))


def test_of_a_divided_fence_that_was_cut_the_last_file_is_not_written() -> None:
    result = parsed("```python\n# FILE: a.py\na = 1\n# FILE: b.py\nb = ", Finish.LENGTH)

    assert result.actions == (write("a.py", "a = 1\n"),)
    assert result.cut is not None
    assert result.cut.path == "b.py"


def test_a_label_further_down_in_a_file_is_its_content() -> None:
    content = "a = 1\n# FILE: b.py\n# FILE: c.py\n"

    assert parsed(f"FILE: a.py\n```python\n{content}```") == Parsed((write("a.py", content),))


def test_an_abbreviation_before_a_block_is_no_path() -> None:
    assert parsed("as in, e.g.\n```python\nx = 1\n```").actions == ()


def test_a_known_name_without_extension_is_a_path() -> None:
    assert parsed("**Makefile**\n```make\nall:\n```") == Parsed((write("Makefile", "all:\n"),))


@pytest.mark.timeout(5)
@pytest.mark.parametrize("flood", ["*", " ", "`", "#", "a.", "FILE: ", "1. ", "- ", "("])
def test_a_flood_before_a_block_is_read_in_no_time(flood: str) -> None:
    assert parsed(f"{flood * 20_000}!\n```python\nx = 1\n```\n{flood * 20_000}").actions == ()


def test_several_files_and_a_command_come_in_order() -> None:
    text = "FILE: a.py\n```python\na = 1\n```\n\n**b.py**\n```\nb = 2\n```\n\nDONE\n"

    assert parsed(text) == Parsed((write("a.py", "a = 1\n"), write("b.py", "b = 2\n"), Action("done")))


def test_a_file_that_was_cut_at_the_length_limit_is_not_written() -> None:
    text = "FILE: a.py\n```python\na = 1\n```\nFILE: b.py\n```python\nb = "
    result = parsed(text, Finish.LENGTH)

    assert result.actions == (write("a.py", "a = 1\n"),)
    assert "cut within b.py" in result.faults[0].text


def test_a_whole_file_of_a_cut_reply_is_written() -> None:
    assert parsed("FILE: a.py\n```\na = 1\n```\nNow the", Finish.LENGTH).actions == (
        write("a.py", "a = 1\n"),
    )


def test_markdown_may_hold_fences_with_a_language() -> None:
    content = "# Title\n```python\nx = 1\n```\nEnd.\n"

    assert parsed(f"FILE: README.md\n```markdown\n{content}```\n") == Parsed((write("README.md", content),))


def test_four_backticks_hold_three() -> None:
    content = "```python\nx = 1\n```\n"

    assert parsed(f"FILE: README.md\n````\n{content}````") == Parsed((write("README.md", content),))


COMMANDS = {
    "DONE": Action("done"),
    "- DONE": Action("done"),
    "**DONE**": Action("done"),
    "`DONE`": Action("done"),
    "DONE.": Action("done"),
    "> DONE": Action("done"),
    "LIST": Action("list"),
    "TESTS": Action("tests"),
    "READ a.py": Action("read", {"path": "a.py"}),
    "`READ a.py`": Action("read", {"path": "a.py"}),
    "* READ a.py 3-9": Action("read", {"path": "a.py", "lines": "3-9"}),
    "DELETE pkg/a.py": Action("delete", {"path": "pkg/a.py"}),
    "RUN a.py": Action("run", {"path": "a.py", "arguments": []}),
    "RUN a.py --name 'two words'": Action("run", {"path": "a.py", "arguments": ["--name", "two words"]}),
}


@pytest.mark.parametrize(("line", "action"), COMMANDS.items(), ids=COMMANDS.keys())
def test_the_ways_in_which_models_write_commands(line: str, action: Action) -> None:
    assert parsed(f"Now:\n{line}\n") == Parsed((action,))


@pytest.mark.parametrize(
    "text",
    [
        "DONE with the first part, the second one follows.",
        "I am DONE.",
        "When this is finished, reply DONE",
        "Done",
        "LIST of things to do:",
        "```bash\npytest\n```",
        "```sh\nREAD a.py\n```",
        "```text\nDONE\n```",
        "",
        "\n \n",
        "I cannot help with that.",
    ],
)
def test_prose_and_shown_output_ask_for_nothing(text: str) -> None:
    assert parsed(text) == Parsed((), (Observation(NOTHING_ASKED, ok=False),))


@pytest.mark.parametrize(
    "text",
    [
        "```python\nx = 1\n```",
        "Here it is:\n```\nx = 1\n```",
        '```json\n{"name": "write", "arguments": {"path": "a.py"}}\n```',
    ],
    ids=["no path", "a sentence before it", "a tool call in JSON without all arguments"],
)
def test_a_block_without_a_path_is_a_fault_that_shows_the_form(text: str) -> None:
    result = parsed(text)

    assert result.actions == ()
    assert "FILE: <path>" in result.faults[0].text


def test_commands_within_a_file_are_its_content() -> None:
    assert parsed("FILE: a.md\n```\nDONE\nREAD b.py\n```") == Parsed((write("a.md", "DONE\nREAD b.py\n"),))


@pytest.mark.parametrize(
    ("line", "told"),
    [("RUN a.py 'open", "open quote"), ("READ a.py 1 2 3", "too many words"), ("READ a b c", "READ <path>")],
)
def test_a_malformed_command_is_a_fault_that_shows_its_form(line: str, told: str) -> None:
    result = parsed(line)

    assert result.actions == ()
    assert told in result.faults[0].text
    assert not result.faults[0].ok


PIECES = st.sampled_from(
    [
        "```",
        "````",
        "~~~",
        "FILE: ",
        "a.py",
        "\n",
        "\r\n",
        "DONE",
        "READ ",
        "**",
        "`",
        "# ",
        " ",
        "'",
        "x",
        ".md",
    ]
)


@given(st.text(max_size=200) | st.lists(PIECES, max_size=40).map("".join), st.sampled_from(Finish))
def test_whatever_a_reply_holds_it_is_read(text: str, finish: Finish) -> None:
    result = parsed(text, finish)

    assert result.actions or result.faults
    assert not any(fault.ok for fault in result.faults)


LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"), max_size=30).filter(
    lambda line: not line.lstrip().startswith(("```", "~~~"))
)
"""Lines as files hold them; a fence within one needs a longer fence around it."""


@given(st.lists(LINES, max_size=10), st.sampled_from(["```", "````", "```python", "~~~"]))
def test_what_is_written_in_a_fence_arrives_byte_for_byte(lines: list[str], fence: str) -> None:
    content = "".join(f"{line}\n" for line in lines)
    closing = fence.removesuffix("python")

    assert parsed(f"FILE: a/b.txt\n{fence}\n{content}{closing}\n") == Parsed((write("a/b.txt", content),))


@given(st.lists(LINES, min_size=1, max_size=10), st.sampled_from(["a.py", "b/c.txt"]))
def test_a_file_that_was_shown_is_read_back_as_the_same_file(lines: list[str], path: str) -> None:
    content = "".join(f"{line}\n" for line in lines)

    assert parsed(PROTOCOL.shown_file(path, content)) == Parsed((write(path, content),))


def test_the_manual_names_every_command_and_no_write() -> None:
    manual = PROTOCOL.manual(FORMS)

    for command in ("READ <path>", "LIST", "DELETE <path>", "RUN <path>", "TESTS", "DONE"):
        assert command in manual
    assert "WRITE" not in manual
    assert PROTOCOL.specs(FORMS) == ()


def test_what_was_heard_is_one_message_of_the_user() -> None:
    heard = PROTOCOL.heard([Observation("one", ok=True), Observation("two", ok=False)], "three")

    assert [(message.role, message.text) for message in heard] == [(Role.USER, "one\n\ntwo\n\nthree")]


EDITING = instruction_toolbox(edits=tuple(EditForm)).forms()

CALLS = {
    "a fence": '```json\n{"name": "read", "arguments": {"path": "a.py"}}\n```',
    "arguments beside the name": '```json\n{"tool": "read", "path": "a.py"}\n```',
    "arguments as text": '```\n{"name": "read", "arguments": "{\\"path\\": \\"a.py\\"}"}\n```',
    "a function": '```json\n{"function": {"name": "read", "arguments": {"path": "a.py"}}}\n```',
    "a list": '```json\n[{"action": "read", "parameters": {"path": "a.py"}}]\n```',
    "marks": '<tool_call>\n{"name": "read", "arguments": {"path": "a.py"}}\n</tool_call>',
    "marks in a line": 'So:\n<tool_call>{"name": "read", "arguments": {"path": "a.py"}}</tool_call>',
    "the JSON alone": '{"name": "read", "arguments": {"path": "a.py"}}',
    "after a name of a file": 'See `a.py`:\n```json\n{"name": "read", "arguments": {"path": "a.py"}}\n```',
}


@pytest.mark.parametrize("text", CALLS.values(), ids=CALLS.keys())
def test_a_call_that_a_model_writes_as_json_is_an_action(text: str) -> None:
    assert parsed(text) == Parsed((Action("read", {"path": "a.py"}),))
    assert NativeProtocol().parse(Reply(text, Finish.STOP), FORMS).actions == (
        Action("read", {"path": "a.py"}),
    )


def test_json_under_a_path_is_a_file() -> None:
    content = '{"name": "read", "arguments": {"path": "a.py"}}\n'

    assert parsed(f"FILE: a.json\n```json\n{content}```") == Parsed((write("a.json", content),))


def edits(text: str, finish: Finish = Finish.STOP) -> Parsed:
    return PROTOCOL.parse(Reply(text, finish), EDITING)


ONE_EDIT = {
    "as told": "FILE: a.py\n```python\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n```",
    "short marks": "FILE: a.py\n```\n<<<<< SEARCH\nx\n=====\ny\n>>>>>\n```",
    "no last mark": "FILE: a.py\n```\n<<<<<<< SEARCH\nx\n=======\ny\n```",
    "other words": "FILE: a.py\n```\n<<<<<<< ORIGINAL\nx\n=======\ny\n>>>>>>> UPDATED\n```",
    "no fence": "FILE: a.py\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n",
    "lower case": "**a.py**\n```\n<<<<<<< search\nx\n=======\ny\n>>>>>>> replace\n```",
}


@pytest.mark.parametrize("text", ONE_EDIT.values(), ids=ONE_EDIT.keys())
def test_the_ways_in_which_models_write_a_replacement(text: str) -> None:
    pair = {"search": "x\n", "replace": "y\n"}

    assert edits(text) == Parsed((Action("edit", {"path": "a.py", "replacements": [pair]}),))


def test_several_replacements_of_one_fence_are_one_action() -> None:
    block = "<<<<<<< SEARCH\nx\n=======\n>>>>>>> REPLACE\n"
    (action,) = edits(f"FILE: a.py\n```\n{block}\n{block}```").actions

    assert action.arguments["replacements"] == [{"search": "x\n", "replace": ""}] * 2


def test_a_replacement_without_its_divider_or_not_offered_is_a_fault() -> None:
    assert (
        "no line `=======`" in edits("FILE: a\n```\n<<<<<<< SEARCH\nx\n>>>>>>> REPLACE\n```").faults[0].text
    )
    assert "not offered here" in parsed(ONE_EDIT["as told"]).faults[0].text


def test_a_diff_under_a_path_is_a_patch_where_it_is_offered() -> None:
    text = "FILE: a.py\n```diff\n@@ -1 +1 @@\n-x\n+y\n```"

    assert edits(text).actions == (Action("patch", {"path": "a.py", "diff": "@@ -1 +1 @@\n-x\n+y\n"}),)
    assert "not offered here" in parsed(text).faults[0].text


@pytest.mark.parametrize(
    "text",
    ["FILE: a.py\n```\n<<<<<<< SEARCH\nx\n=======\ny", "FILE: a.py\n```diff\n@@ -1 +1 @@\n-x\n+y"],
    ids=["replacement", "diff"],
)
def test_a_change_that_was_cut_is_not_made(text: str) -> None:
    result = edits(text, Finish.LENGTH)

    assert result.actions == ()
    assert "was cut within" in result.faults[0].text


def test_the_manual_shows_only_the_forms_that_are_offered() -> None:
    assert "<<<<<<< SEARCH" not in PROTOCOL.manual(FORMS)
    assert "<<<<<<< SEARCH" in PROTOCOL.manual(EDITING)
    # A model that copies the example writes nothing.
    copied = {action.name for action in edits(PROTOCOL.manual(EDITING)).actions}
    assert copied.isdisjoint({"write", "edit", "patch"})


@pytest.mark.parametrize("finish", [Finish.LENGTH, Finish.FILTERED])
def test_a_command_with_which_a_cut_reply_ends_is_not_carried_out(finish: Finish) -> None:
    text = "READ a.py\nDELETE src"
    result = FencedProtocol().parse(Reply(text, finish), FORMS)

    assert [action.name for action in result.actions] == ["read"]
    assert "cut within `DELETE src`" in result.faults[0].text
    assert FencedProtocol().parse(Reply(text + "\n", finish), FORMS).faults == ()


def test_a_file_that_a_filter_cut_is_not_written() -> None:
    result = FencedProtocol().parse(Reply("FILE: a.py\n```\na = 1", Finish.FILTERED), FORMS)

    assert result.actions == ()
    assert result.cut is not None
