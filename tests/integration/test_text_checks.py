"""The shipped check of texts, and a set of a user's own with demands, run for real."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from check_stage import CheckStage, check_stage
from lmac.config import RunConfig
from lmac.evaluation import CheckResult, Verdict
from lmac.inputs import load_checks
from lmac_sandbox import Engine

pytestmark = [pytest.mark.engine, pytest.mark.slow]

OWN_SET = """
images: [python]
checks:
  - name: text
    program: text
    parser: faults_json
    files: ["*.md"]
    severity: blocking
    options:
      required_sections:
        - {files: README.md, headings: [Install, Usage]}
      lengths:
        - {files: "chapters/*.md", at_least: 5, at_most: 12}
"""
README = """---
title: a thing
---
# A thing

See [usage](#usage), [the guide](docs/guide.md#second-step-1), ![logo](logo.png), [the web](https://example.org),
[docs](docs/) and <mail@example.org>.

## Install

| tool | version |
| ---- | ------- |
| a \\| b | 1 |

## Usage

```sh
# not a heading [not a link](nowhere.md)
```
"""
GUIDE = "# Guide\n\n## Second step\n\none\n\n## Second step\n\ntwo, [back](../README.md)\n"
GOOD: dict[str, str | bytes] = {"README.md": README, "docs/guide.md": GUIDE, "logo.png": b"\x89PNG"}
CHAPTER = "# One\n\nfive words are just enough\n"


@pytest.fixture(scope="module")
def stage(engine: Engine, image_id: str) -> Iterator[CheckStage]:
    shipped = load_checks(RunConfig(checks=("python", "text"))).checks
    with check_stage(engine, image_id, tuple(one for one in shipped if one.name == "text")) as made:
        yield made


def by_rule(result: CheckResult) -> dict[str, str]:
    """Rule to place of every finding."""
    return {finding.text.split(" ", 1)[0]: finding.where for finding in result.findings}


def test_a_good_text_passes_without_a_remark(stage: CheckStage) -> None:
    result = stage.result(GOOD, "text")

    assert (result.verdict, result.findings, result.passed_count) == (Verdict.PASSED, (), 2)


BAD: dict[str, tuple[str | bytes, int]] = {
    "dead-link": ("# T\n\nx [a](nowhere.md)\n", 3),
    "dead-anchor": ("# T\n\nx [a](docs/guide.md#third-step)\n", 3),
    "open-fence": ("# T\n\ntext\n\n```py\nx = 1\n", 5),
    "broken-table": ("# T\n\n| a | b |\n|---|---|\n| 1 |\n", 5),
    "not-utf8": (b"# T\n\n\xff\n", 1),
}


@pytest.mark.parametrize("rule", BAD)
def test_what_a_reader_runs_into_blocks_and_is_named_by_line(stage: CheckStage, rule: str) -> None:
    text, line = BAD[rule]
    result = stage.result({**GOOD, "bad.md": text}, "text")

    assert result.verdict is Verdict.FAILED
    assert by_rule(result) == {rule: f"bad.md:{line}"}


def test_no_flood_of_remarks_hides_a_dead_link(stage: CheckStage) -> None:
    empty = "# T\n\nx\n" + "".join(f"\n## S{number}\n" for number in range(260))
    result = stage.result({"a.md": empty, "z.md": "# T\n\n[a](gone.md)\n"}, "text")

    assert result.verdict is Verdict.FAILED
    assert (result.findings[0].where, result.findings[0].blocking) == ("z.md:3", True)
    assert result.findings[-1].text == "and 210 more remarks"


def test_links_that_leave_the_store_or_hide_are_dead(stage: CheckStage) -> None:
    links = ("../../etc/passwd", "%2e%2e/x", "/nowhere", "docs/../../a", "Docs/guide.md", "docs/guide")
    text = (
        "# T\n\n"
        + "\n".join(f"[a]({link})" for link in links)
        + "\n\n![i](no.png) and [r][r]\n\n[r]: gone.md\n"
    )
    result = stage.result({**GOOD, "bad.md": text}, "text")

    assert [finding.where for finding in result.findings if "dead-link" in finding.text] == [
        *(f"bad.md:{3 + number}" for number in range(len(links))),
        *("bad.md:10", "bad.md:10"),
    ]


def test_matters_of_form_are_remarks(stage: CheckStage) -> None:
    text = "## A\n\n#### B\n\nx\n\n# C\n\nx\n\n# D\n\nx\n\n##\n\nx\n\n## E\n"
    result = stage.result({**GOOD, "form.md": text, "bare.md": "x\n"}, "text")

    assert result.verdict is Verdict.PASSED
    assert by_rule(result) == {
        "no-title": "bare.md:1",
        "heading-jump": "form.md:3",
        "second-title": "form.md:11",
        "empty-heading": "form.md:15",
        "empty-section": "form.md:19",
    }
    assert not any(finding.blocking for finding in result.findings)


def test_a_flood_of_remarks_hides_no_fault(stage: CheckStage) -> None:
    files: dict[str, str | bytes] = {
        "a.md": "# T\n\n" + "##\n\nx\n\n" * 1000,
        "z.md": "# T\n\n[a](nowhere.md)\n",
    }

    result = stage.result(files, "text")

    assert result.verdict is Verdict.FAILED
    assert [finding.where for finding in result.findings if finding.blocking] == ["z.md:3"]


def test_a_head_of_a_table_that_does_not_fit_is_seen(stage: CheckStage) -> None:
    result = stage.result({"a.md": "# T\n\n| a | b |\n|---|---|---|\n| 1 | 2 |\n"}, "text")

    assert by_rule(result) == {"broken-table": "a.md:3"}


def test_without_texts_the_check_does_not_apply_and_alone_closes_nothing(stage: CheckStage) -> None:
    report = stage.report({"a.py": "x = 1\n"})

    assert report.results[0].verdict is Verdict.NOT_APPLICABLE
    assert report.results[0].awaits == "there is no file *.md or *.markdown"
    assert not report.green


def test_a_store_of_python_is_not_held_up_by_the_texts_that_it_lacks(engine: Engine, image_id: str) -> None:
    files = {
        "a.py": "x = 1\n",
        "test_a.py": "from a import x\n\n\ndef test_x() -> None:\n    assert x == 1\n",
    }
    with check_stage(engine, image_id, load_checks(RunConfig(checks=("python", "text"))).checks) as stage:
        good, bad = stage.report(files), stage.report({**files, "README.md": "# T\n\n[a](gone)\n"})

    assert good.green, good
    assert [result.check for result in good.results] == ["syntax", "lint", "types", "text", "tests"]
    assert not bad.green


def test_sections_and_lengths_are_demanded_by_a_set_of_the_users(
    engine: Engine, image_id: str, tmp_path: Path
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(OWN_SET)
    chapter = {"chapters/one.md": CHAPTER}
    with check_stage(engine, image_id, load_checks(RunConfig(checks=(str(own),))).checks) as stage:
        good = stage.result({**GOOD, **chapter}, "text")
        unnamed = stage.result({"README.md": "# T\n\n## Install\n\nx\n", **chapter}, "text")
        short = stage.result({**GOOD, "chapters/one.md": "# One\n\nfew\n"}, "text")
        long = stage.result({**GOOD, "chapters/one.md": CHAPTER * 3}, "text")
        absent = stage.result(GOOD, "text")

    assert (good.verdict, good.findings) == (Verdict.PASSED, ())
    assert by_rule(unnamed) == {"missing-section": "README.md:1"}
    assert by_rule(short) == {"too-short": "chapters/one.md:1"}
    assert by_rule(long)["too-long"] == "chapters/one.md:1"
    assert by_rule(absent) == {"missing-file": "chapters/*.md:1"}
    assert {one.verdict for one in (unnamed, short, long, absent)} == {Verdict.FAILED}


def test_a_text_that_is_a_bomb_for_the_parser_ends_within_the_box(stage: CheckStage) -> None:
    bombs = {
        "quotes.md": ">" * 20_000 + "a\n",
        "links.md": "[" * 20_000 + "\n",
        "stars.md": "*a " * 20_000 + "\n",
    }
    result = stage.result(bombs, "text")

    assert result.verdict in (Verdict.PASSED, Verdict.BROKEN_OFF)
