"""The page of a run: what it says, and that nothing of what others wrote is markup in it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hostile_texts import HOSTILE_TEXTS
from lmac.evaluation import Finding, Verdict
from lmac.report.chronicle.contents import Contents
from lmac.report.page import report_page
from lmac.report.page.pool import LEFT_OUT, Pool
from lmac.report.page.shown_text import MOST_CHARACTERS, MOST_LINES, bounded, brief, visible
from lmac.transitions import Outcome
from recorded_run import RecordedRun


class Markup(HTMLParser):
    """The tags of a page with their attributes, and the texts of scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def details_of(page: str) -> dict[str, Any]:
    """The data that the page's script gets."""
    found = re.search(r'<script type="application/octet-stream" id="data">([A-Za-z0-9+/=]*)</script>', page)
    assert found is not None
    told: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(found[1])))
    return told


def hostile_run(folder: Path, text: str) -> Path:
    """A run in which everybody says this, in every place."""
    run = RecordedRun(folder, task=text)
    run.window(0, prefix=text)
    run.ask(text)
    run.program(text, requirements=[text])
    run.window(0)
    run.ask(text, notice=text)
    run.write("a.py", text)
    run.observe(text, {"path": text, "reason": text}, text, ok=False)
    run.judge(tests=[Finding(text, text)], **{text or "empty": Verdict.PASSED})
    run.journal.append("model_error", error=text, text=text)
    run.end_instruction(0, summary=text)
    return run.close(Outcome.MODEL_FAILED, error=text)


@pytest.mark.parametrize("name", HOSTILE_TEXTS)
def test_no_text_of_others_is_markup(tmp_path: Path, name: str) -> None:
    plain = Markup(report_page(hostile_run(tmp_path / "plain", "plain")))
    page = report_page(hostile_run(tmp_path / "hostile", HOSTILE_TEXTS[name]))
    markup = Markup(page)

    assert {tag for tag, _ in markup.tags} <= {tag for tag, _ in plain.tags}
    assert [tag for tag, _ in markup.tags].count("script") == 2
    known = {(tag, key) for tag, attributes in plain.tags for key in attributes}
    assert {(tag, key) for tag, attributes in markup.tags for key in attributes} <= known | {("svg", "x")}
    assert not any(key.startswith("on") or key == "style" for _, keys in markup.tags for key in keys)


@pytest.mark.parametrize("name", HOSTILE_TEXTS)
def test_nothing_on_a_page_turns_or_hides_what_is_read(tmp_path: Path, name: str) -> None:
    page = report_page(hostile_run(tmp_path / "run", HOSTILE_TEXTS[name]))

    for text in (page, *map(str, details_of(page)["texts"])):
        assert text.replace("\n", "").replace("\t", "").isprintable()


def test_the_policy_allows_the_page_s_own_script_and_style_and_nothing_else(tmp_path: Path) -> None:
    page = report_page(hostile_run(tmp_path / "run", "plain"))
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    script = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    style = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)

    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].replace("&#39;", "'").split(";"))
    assert rules["default-src"] == "'none'"
    assert (rules["base-uri"], rules["form-action"]) == ("'none'", "'none'")
    for directive, (text,) in (("script-src", script), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[directive] == f"'sha256-{digest}'"
    assert not re.search(r"innerHTML|outerHTML|document\.write|eval\(|insertAdjacent|new Function", script[0])


def test_a_page_names_no_other_address(tmp_path: Path) -> None:
    page = report_page(hostile_run(tmp_path / "run", "plain"))

    for tag, attributes in Markup(page).tags:
        for key in ("src", "href", "action", "data", "poster", "srcset"):
            assert (attributes.get(key) or "#").startswith("#") or (tag, attributes[key]) == (
                "link",
                "data:,",
            )


def test_the_main_facts_stand_in_the_markup_itself(tmp_path: Path) -> None:
    run = RecordedRun(tmp_path / "run", "# Counting\n\nCount.")
    run.window(0)
    run.program("Write counting.py.", requirements=["It counts."])
    run.ask("one")
    run.write("counting.py", "wrong\n")
    run.judge(tests=[Finding("test_counting.py::test_one", "assert 1 == 2")])
    run.ask("two")
    run.write("counting.py", "right\n")
    run.judge(tests=Verdict.PASSED)
    run.end_instruction(0)
    text = " ".join(" ".join(Markup(report_page(run.close(requirements=1))).texts).split())

    for fact in (
        "Counting",
        "completed",
        "1 of 1",
        "Write counting.py.",
        "requirement",
        "test_a.py::test_a",
        "tests began red: failed (2 passed, 1 failed)",
        "tests turned green: passed (3 passed, 0 failed)",
        "after a change of counting.py",
        "+1 \u22121",
    ):
        assert fact in text


def test_details_hold_each_text_once(tmp_path: Path) -> None:
    run = RecordedRun(tmp_path / "run")
    run.window(0)
    for _ in range(20):
        run.ask("the same reply, again and again")
    texts = details_of(report_page(run.leave()))["texts"]

    assert len(texts) == len(set(texts))


def test_the_same_run_makes_the_same_page(tmp_path: Path) -> None:
    folder = hostile_run(tmp_path / "run", "plain")

    assert report_page(folder) == report_page(folder)


def test_a_run_that_goes_on_has_a_page_too(tmp_path: Path) -> None:
    run = RecordedRun(tmp_path / "run")
    run.window(0)
    run.ask("a reply")

    assert "This run has not ended" in report_page(run.leave())


def test_room_goes_to_what_was_admitted_first_and_indices_to_what_is_used_first(tmp_path: Path) -> None:
    pool = Pool(Contents(tmp_path), most_bytes=10)
    for text in ("worth", "more"):
        pool.admit(text)

    assert [pool.text(text) for text in ("less", "more", "worth", "more")] == [LEFT_OUT, 0, 1, 0]
    assert pool.texts == ["more", "worth"]


def test_texts_without_room_are_left_out_and_counted(tmp_path: Path) -> None:
    pool = Pool(Contents(tmp_path), most_bytes=10)

    assert (pool.text("12345"), pool.text("too long to fit"), pool.text("6789")) == (0, LEFT_OUT, 1)
    assert pool.left_out == 1


def test_a_text_too_long_for_a_page_keeps_head_and_tail() -> None:
    text = bounded("head\n" + f"{'x' * 99}\n" * (MOST_CHARACTERS // 50) + "tail")

    assert text.startswith("head")
    assert text.endswith("tail")
    assert f"[... {MOST_CHARACTERS + 9} characters are left out here ...]" in text


def test_of_too_many_lines_the_first_and_the_last_are_kept() -> None:
    lines = bounded("\n".join(map(str, range(MOST_LINES + 100)))).split("\n")

    assert (lines[0], lines[-1], len(lines)) == ("0", str(MOST_LINES + 99), MOST_LINES + 1)
    assert "[... 100 lines left out ...]" in lines


def test_a_line_too_long_for_a_page_is_cut() -> None:
    assert bounded("a" * 5000) == "a" * 4000 + " [... 1000 characters more]"


def test_what_shows_nothing_is_shown() -> None:
    assert visible("a\u202eb\x00c\u2028d\td\r\ne") == "a\\u202eb\\x00c\\u2028d\td\ne"
    assert visible("größer 你好") == "größer 你好"
    assert brief(" a\n  b ", 10) == "a b"
    assert brief("abcdef", 4) == "abc…"
