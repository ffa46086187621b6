"""Check sets as data: what holds together becomes a plan; all else is refused with its key and value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from lmac.checks import CommandCheck, described
from lmac.config import RunConfig
from lmac.errors import ConfigError
from lmac.evaluation import Verdict
from lmac.inputs import load_checks
from lmac.shipped import shipped_folder
from lmac_sandbox import Reuse

ENTRY: dict[str, Any] = {"name": "mine", "command": ["/usr/bin/true"], "files": ["*"], "parser": "exit_code"}
SHIPPED = sorted(path.stem for path in (shipped_folder("configs") / "checks").glob("*.yaml"))


def written(folder: Path, *entries: dict[str, Any], images: Any = ("python",), name: str = "own") -> str:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"images": list(images), "checks": list(entries)}))
    return str(path)


def planned(*sets: str, **config: Any) -> Any:
    return load_checks(RunConfig.model_validate({"checks": sets, **config}))


def test_the_shipped_sets_are_book_python_javascript_and_text() -> None:
    assert SHIPPED == ["book", "javascript", "python", "text"]
    assert [planned(*names).image for names in (["javascript"], ["python"], ["python", "text"])] == [
        "node",
        "python",
        "python",
    ]


def test_sets_share_the_first_image_that_suits_them_all() -> None:
    assert planned("book").image == "text"
    assert planned("text", "javascript").image == "node"
    assert planned("python", "text").image == "python"
    assert planned("python", image="sha256:" + "0" * 64).image == "sha256:" + "0" * 64


def test_sets_without_a_common_image_are_refused_by_name(tmp_path: Path) -> None:
    own = written(tmp_path, ENTRY, images=["node"])
    with pytest.raises(ConfigError, match=r"python needs python or python-web; .*own\.yaml needs node"):
        planned("python", own)
    assert planned("python", own, image="python").image == "python"


def test_an_image_that_is_not_there_is_named_with_its_place(tmp_path: Path) -> None:
    own = written(tmp_path, ENTRY, images=["python", "pyhton"])
    with pytest.raises(ConfigError, match=r"own\.yaml, line \d+, key `images\.1`: image 'pyhton': no such"):
        planned(own)


def test_a_run_needs_a_check_that_has_to_pass(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"key `checks`: text: every check is `optional` \(text\)"):
        planned("text")
    assert planned("text", written(tmp_path, ENTRY)).image == "python"


def test_rules_of_a_pytest_session_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"key `rules\.tests`: a pytest session has no rules"):
        planned("python", rules={"tests": {"blocking": ["x"]}})


def test_rules_of_a_run_stand_in_place_of_those_of_the_entry() -> None:
    plan = planned("python", rules={"lint": {"blocking": ["E9"]}})
    (lint,) = (check for check in plan.checks if check.name == "lint")

    assert isinstance(lint, CommandCheck)
    assert (lint.definition.rules.blocking, lint.definition.rules.advisory) == (("E9",), ())


def test_a_test_session_is_journalled_with_all_that_its_entry_says(tmp_path: Path) -> None:
    entry = {"name": "mine", "program": "pytest", "parser": "pytest_events", "wall_seconds": 7}
    (check,) = planned(written(tmp_path, entry)).checks

    assert described(check) == {
        "program": "pytest",
        "name": "mine",
        "wall_seconds": 7,
        "gates": False,
        "required": True,
        "placeholders_block": True,
        "reuse": "single-use",
        "measures_coverage": False,
    }


def test_two_checks_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="python and javascript: both hold a check named 'syntax'"):
        planned("python", "javascript", image="node")


def test_what_may_execute_generated_code_comes_last(tmp_path: Path) -> None:
    own = written(tmp_path, ENTRY)

    assert [check.name for check in planned(own, "python", "text").checks] == [
        *("syntax", "lint", "types", "text"),
        *("mine", "tests"),
    ]


def test_an_unknown_set_names_those_that_are_there() -> None:
    with pytest.raises(
        ConfigError, match="'ruby': no such check set; shipped are book, javascript, python, text"
    ):
        planned("ruby")


def test_rules_of_a_check_that_is_not_there_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"rules\.lin`: no such check; those of this run are lint, syntax"):
        planned("python", rules={"lin": {}})


def test_the_grade_run_is_for_shipped_sets(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"own\.yaml, check mine, key `reuse`: 'run' is for shipped"):
        planned(written(tmp_path, {**ENTRY, "reuse": "run"}))
    grades = {check.name: check.reuse for check in planned("python").checks}
    assert grades == dict.fromkeys(("syntax", "lint", "types"), Reuse.RUN) | {"tests": Reuse.SINGLE_USE}


def test_no_shipped_entry_that_executes_generated_code_has_the_grade_run() -> None:
    for name in SHIPPED:
        for check in planned(*(("python", name) if name == "text" else (name,))).checks:
            assert (check.reuse is Reuse.SINGLE_USE) == (check.name == "tests")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": (
        {"sevrity": "blocking"},
        r"checks\.0\.sevrity`: there is no such key; did you mean `severity`\?",
    ),
    "unknown key of rules": (
        {"rules": {"blockng": ["E9"]}},
        r"rules\.blockng`: there is no such key; did you mean `blocking`",
    ),
    "rules of pytest": (
        {"command": [], "files": [], "program": "pytest", "parser": "pytest_events", "rules": {}},
        "`rules` has no meaning for the program pytest",
    ),
    "exit codes of a program": (
        {"command": [], "program": "text", "parser": "faults_json", "exit_codes": [0]},
        "`exit_codes` has no meaning for the program text",
    ),
    "unknown parser": ({"parser": "tap"}, r"checks\.0\.parser`.*'tap'"),
    "unknown severity": ({"severity": "fatal"}, r"checks\.0\.severity`.*'fatal'"),
    "a shell line": ({"command": "make test"}, r"checks\.0\.command`.*'make test'"),
    "nothing to run": ({"command": []}, "name either `command` or `program`"),
    "both": ({"program": "syntax"}, "name either `command` or `program`"),
    "unknown program": ({"command": [], "program": "runner"}, r"checks\.0\.program`.*'runner'"),
    "a program's parser": ({"parser": "node_events"}, "node_events reads one of our own programs only"),
    "another parser": (
        {"command": [], "program": "text", "parser": "sarif"},
        "the parser of text is faults_json",
    ),
    "a taken name": ({"name": "acceptance"}, "the name 'acceptance' is taken"),
    "a name with a line": ({"name": "a\nb"}, r"checks\.0\.name`"),
    "an argument with NUL": ({"command": ["a\0"]}, r"checks\.0\.command\.0`"),
    "a program of the store": (
        {"command": ["./check.sh"]},
        r"checks\.0`: `command` starts \./check\.sh.*\[sh, check\.sh\]",
    ),
    "an exit code of nothing": ({"files": []}, r"checks\.0`: `files` is missing: exit_code tells of no file"),
    "a report of nothing": ({"files": [], "parser": "sarif"}, "`files` is missing: sarif tells of no file"),
    "files for {file} missing": (
        {"command": ["x", "{file}"]},
        "`each_file` and {file} in the command go together",
    ),
    "each file without a place": ({"each_file": True, "files": ["*"]}, "go together"),
    "each file of a report": (
        {"command": ["x", "{file}"], "each_file": True, "files": ["*"], "parser": "sarif"},
        "`each_file` needs `files` and the parser exit_code",
    ),
    "each file with a report": (
        {"command": ["x", "{file}", "{report}"], "each_file": True, "files": ["*"]},
        "{report} is for a command that runs once",
    ),
    "optional without files": (
        {"optional": True, "files": [], "parser": "junit_xml"},
        "`optional` needs `files`",
    ),
    "optional gate": ({"optional": True, "files": ["*"], "gates": True}, "such a check cannot gate"),
    "a pattern that climbs": ({"files": ["/etc/*"]}, r"checks\.0\.files\.0`"),
    "no time": ({"wall_seconds": 0}, r"checks\.0\.wall_seconds`.*0"),
    "rules without any": ({"command": ["x", "{rules}"]}, "the command wants {rules}"),
    "a rule that is an option": ({"rules": {"blocking": ["--fix"]}}, r"rules\.blocking\.0`.*'--fix'"),
    "two rules in one": ({"rules": {"blocking": ["A,B"]}}, r"rules\.blocking\.0`.*'A,B'"),
    "a rule of no ruff": ({"parser": "ruff_json", "rules": {"blocking": ["f401"]}}, "'f401' is no rule"),
    "options of a command": ({"options": {}}, "`options` go with the program `text`"),
    "an exit code": ({"exit_codes": [256]}, r"exit_codes\.0`.*256"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_entry_that_makes_no_sense_is_refused_with_its_place(tmp_path: Path, name: str) -> None:
    changes, said = REFUSED[name]
    with pytest.raises(ConfigError, match=said) as error:
        planned(written(tmp_path, {**ENTRY, **changes}))
    assert "own.yaml, line" in error.value.message
    assert "configs/checks" in (error.value.next_step or "")


def test_a_set_needs_checks_images_and_single_names(tmp_path: Path) -> None:
    for entries, images, said in (
        ((), ["python"], "checks"),
        ((ENTRY,), [], "images"),
        ((ENTRY,), ["../python"], r"images\.0"),
        ((ENTRY, ENTRY), ["python"], "two checks are named 'mine'"),
    ):
        with pytest.raises(ConfigError, match=said):
            planned(written(tmp_path, *entries, images=images))


def test_a_user_s_own_entry_becomes_a_check_as_it_is(tmp_path: Path) -> None:
    (check,) = planned(written(tmp_path, {**ENTRY, "wall_seconds": 3, "gates": True})).checks

    assert isinstance(check, CommandCheck)
    assert (check.name, check.gates, check.reuse) == ("mine", True, Reuse.SINGLE_USE)
    assert (json.loads(check.job().argv[-1])["command"], check.job().wall_seconds) == (["/usr/bin/true"], 3)


def test_the_default_run_judges_by_the_python_set() -> None:
    assert RunConfig().check_sets == ("python",)
    assert Verdict.NOT_APPLICABLE.value == "not applicable"
