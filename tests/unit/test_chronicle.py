"""What a journal tells of its run: the files through time above all, and nothing that it does not hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lmac.errors import ConfigError
from lmac.evaluation import Finding, Verdict
from lmac.journal import Journal
from lmac.report.chronicle import Chronicle, Light
from lmac.report.chronicle.reading import read_chronicle
from lmac.report.page import report_page
from lmac_sandbox import store_digest
from recorded_run import RecordedRun

LONG = "".join(f"line_{n} = {n}\n" for n in range(60))
RED = [Finding("test_a.py::test_a", "assert 1 == 2")]


def texts(chronicle: Chronicle) -> dict[str, str | None]:
    return {path: chronicle.contents.text(digest) for path, digest in chronicle.files.items()}


def opened(folder: Path) -> RecordedRun:
    run = RecordedRun(folder)
    run.window(0)
    run.program("Write a.py.", "Write b.py.", requirements=["It adds.", "It takes away."])
    return run


def test_edits_and_patches_are_made_again_and_lead_to_the_run_s_own_digest(tmp_path: Path) -> None:
    run = opened(tmp_path / "run")
    run.ask("a first reply")
    run.write("a.py", LONG)
    run.ask("an edit")
    run.files["a.py"] = LONG.replace("line_3 = 3\n", "line_3 = 33\n").encode()
    steps = [{"search": "line_3 = 3\n", "replace": "line_3 = 33\n"}]
    run.observe("edit", {"path": "a.py", "replacements": steps}, "Changed a.py.")
    run.ask("a longer edit, kept beside the journal")
    run.files["a.py"] = run.files["a.py"].replace(b"line_9 = 9\n", b"line_9 = 99  # " + b"x" * 300 + b"\n")
    steps = [{"search": "line_9 = 9\n", "replace": "line_9 = 99  # " + "x" * 300 + "\n"}]
    kept = {"sha256": run.journal.keep(json.dumps(steps))}
    run.observe("edit", {"path": "a.py", "replacements": kept}, "Changed a.py.")
    run.ask("a patch")
    run.files["a.py"] = run.files["a.py"].replace(b"line_5 = 5\n", b"line_5 = 55\n")
    diff = "@@ -6 +6 @@\n line_4 = 4\n-line_5 = 5\n+line_5 = 55\n line_6 = 6\n"
    run.observe("patch", {"path": "a.py", "diff": diff}, "Changed a.py.")

    chronicle = read_chronicle(run.leave())

    assert chronicle.files_are_known
    assert chronicle.unknown_since == 0
    assert texts(chronicle) == {"a.py": run.files["a.py"].decode()}
    assert [len(call.changes) for call in chronicle.calls] == [1, 1, 1, 1]


def test_files_that_were_put_back_are_those_of_the_report_on_them(tmp_path: Path) -> None:
    run = opened(tmp_path / "run")
    run.ask("better")
    run.write("a.py", "best\n")
    run.judge(tests=RED)
    best = run.digest
    run.ask("worse")
    run.write("a.py", "worse\n")
    run.write("b.py", "more\n")
    run.judge(tests=RED)
    worse = run.digest
    run.files = {"a.py": b"best\n"}
    run.journal.append("restored", store_digest=best, instead_of=worse, ranks=[])
    run.end_instruction(0, "given up")

    chronicle = read_chronicle(run.leave())

    assert texts(chronicle) == {"a.py": "best\n"}
    assert [change.path for change in chronicle.calls[1].other_changes] == ["b.py", "a.py"]
    assert chronicle.steps[0].files_after == chronicle.files


def test_files_that_the_journal_does_not_hold_are_not_made_up(tmp_path: Path) -> None:
    run = opened(tmp_path / "run")
    run.ask("a file whose text was not kept")
    run.files["a.py"] = b"unseen\n"
    run.observe("write", {"path": "a.py"}, "Wrote a.py.")

    chronicle = read_chronicle(run.leave())

    assert not chronicle.files_are_known
    assert chronicle.unknown_since == 1
    assert chronicle.files == {}


def test_an_action_that_is_said_to_lead_elsewhere_is_not_believed(tmp_path: Path) -> None:
    run = opened(tmp_path / "run")
    run.ask("one thing is journalled, another is done")
    kept = run.journal.keep("shown\n")
    run.journal.append(
        "observation",
        action="write",
        arguments={"path": "a.py", "content": "shown\n"},
        ok=True,
        text=kept,
        store_digest=store_digest({"a.py": b"done\n"}),
    )

    assert not read_chronicle(run.leave()).files_are_known


def test_delivered_files_that_are_the_journal_s_own_end_the_history(tmp_path: Path) -> None:
    run = opened(tmp_path / "run")
    run.ask("a file whose text was not kept")
    run.files["a.py"] = b"unseen\n"
    run.observe("write", {"path": "a.py"}, "Wrote a.py.")

    chronicle = read_chronicle(run.close())

    assert chronicle.files_are_known
    assert texts(chronicle) == {"a.py": "unseen\n"}
    assert chronicle.delivery_fault == ""


def test_delivered_files_that_were_changed_since_are_named_and_not_shown(tmp_path: Path) -> None:
    run = opened(tmp_path / "run")
    run.ask("a file")
    run.write("a.py", "as it was\n")
    folder = run.close()
    (folder / "files" / "a.py").write_text("planted\n")

    chronicle = read_chronicle(folder)

    assert "not those" in chronicle.delivery_fault
    assert texts(chronicle) == {"a.py": "as it was\n"}
    assert "planted" not in report_page(folder)


def test_a_run_starts_with_the_files_that_it_was_given(tmp_path: Path) -> None:
    run = RecordedRun(tmp_path / "run", start={"old.py": "old\n", "kept.py": "kept\n"})
    run.window(0)
    run.ask("away with it")
    run.delete("old.py")

    chronicle = read_chronicle(run.leave())

    assert [change.path for change in chronicle.start] == ["kept.py", "old.py"]
    assert texts(chronicle) == {"kept.py": "kept\n"}


def test_what_a_resumed_run_left_behind_is_not_told(tmp_path: Path) -> None:
    run = opened(tmp_path / "run")
    run.ask("kept")
    run.write("a.py", "kept\n")
    last = run.journal.append("masked", turns=1, tokens=2).seq
    digest, files = run.digest, dict(run.files)
    run.write("a.py", "left behind\n")
    run.journal.append("resumed", after=last)
    run.files = files
    run.observe("list", {}, "a.py")

    chronicle = read_chronicle(run.leave())

    assert run.digest == digest
    assert texts(chronicle) == {"a.py": "kept\n"}


def test_a_request_s_messages_are_those_before_it_and_its_own(tmp_path: Path) -> None:
    run = opened(tmp_path / "run")
    run.ask("first")
    run.ask("second", notice="go on")

    first, second = read_chronicle(run.leave()).calls

    assert (first.after, first.kept, len(first.messages)) == (0, 0, 2)
    assert (second.after, second.kept, len(second.messages), second.message_count) == (1, 2, 2, 4)


def test_a_reply_that_was_not_asked_for_again_says_so(tmp_path: Path) -> None:
    run = opened(tmp_path / "run")
    run.ask("a reply", cached=True)

    (call,) = read_chronicle(run.leave()).calls

    assert [note.kind for note in call.notes] == ["from the response cache"]


def test_the_ledger_s_last_word_counts(tmp_path: Path) -> None:
    run = opened(tmp_path / "run")
    run.journal.append("ledger", open=[2], built=[], shown=[1], shown_by={"1": ["test_a.py::test_a"]})

    one, two = read_chronicle(run.leave()).requirements

    assert (one.state, one.shown_by) == ("shown", ("test_a.py::test_a",))
    assert (two.state, two.shown_by) == ("open", ())


def test_verdicts_are_lights(tmp_path: Path) -> None:
    run = opened(tmp_path / "run")
    run.ask("a reply")
    run.judge(syntax=Verdict.PASSED, lint=Verdict.NOT_APPLICABLE, tests=RED)

    (report,) = read_chronicle(run.leave()).reports

    assert [check.light for check in report.checks] == [Light.GREEN, Light.GREY, Light.RED]
    assert report.checks[2].words == "failed (2 passed, 1 failed)"


def test_a_changed_journal_is_refused(tmp_path: Path) -> None:
    run = opened(tmp_path / "run")
    run.ask("a reply")
    folder = run.leave()
    journal = folder / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b"Write a.py.", b"Write b.py."))

    with pytest.raises(ConfigError, match="changed"):
        read_chronicle(folder)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
KINDS = """
run_opened run_closed server_sizes started_from program program_revised requirements ledger window
request reply observation candidates restored decision report floor acceptance restart
instruction_end exported masked retry resumed window_narrowed whatever
"""
KEYS = """
task profile config instructions requirements open shown_by instruction attempt after kept messages
tools sampling purpose usage text calls finish seconds action arguments ok store_digest green
results files end reason summary outcome tokens number path content replacements context_tokens
prices chosen
"""


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    events=st.lists(
        st.tuples(
            st.sampled_from(KINDS.split()), st.dictionaries(st.sampled_from(KEYS.split()), JSON, max_size=6)
        ),
        max_size=8,
    )
)
def test_whatever_a_journal_holds_becomes_a_page(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, dict[str, Any]]]
) -> None:
    folder = tmp_path_factory.mktemp("run")
    with Journal(folder) as journal:
        for kind, data in events:
            journal.append(kind, **data)

    assert report_page(folder).endswith("</html>")
