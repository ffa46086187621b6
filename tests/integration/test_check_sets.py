"""Check sets as users write them: from a YAML file to a verdict, without a line of Python."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from check_stage import CheckStage, check_stage
from lmac.checks import CheckSet
from lmac.checks.definition import Program
from lmac.config import RunConfig
from lmac.errors import SandboxFailure
from lmac.evaluation import Finding, Verdict
from lmac.inputs import load_checks
from lmac.shipped import shipped_folder
from lmac_sandbox import Ending, Engine
from lmac_sandbox.images import build_image, load_image
from sandbox_fixtures import CACHE, IMAGES

pytestmark = [pytest.mark.engine, pytest.mark.slow]

SHIPPED = sorted((shipped_folder("configs") / "checks").glob("*.yaml"))
OWN_SET = """
images: [python]
checks:
  - name: compiles
    command: [/usr/bin/python3, -I, -m, compileall, -q, -f, .]
    files: ["*.py"]
    parser: exit_code
    gates: true
  - name: annotations
    command: [ruff, check, --isolated, --no-cache, --select, "{rules}", --output-format, sarif, .]
    files: ["*.py"]
    parser: sarif
    severity: advisory
    usage_exit_codes: [2]
    rules: {blocking: [ANN201], advisory: [ANN001]}
  - name: suite
    command: [/usr/bin/python3, -m, pytest, -p, "no:cacheprovider", "--junitxml={report}"]
    files: ["test_*.py"]
    parser: junit_xml
    optional: true
    wall_seconds: 20
  - name: own-script
    command: [sh, check.sh]
    files: ["check.sh"]
    optional: true
    parser: exit_code
"""
GOOD = {"a.py": "def one() -> int:\n    return 1\n"}


@pytest.fixture(scope="module")
def own_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sets") / "own.yaml"
    path.write_text(OWN_SET)
    return path


@pytest.fixture(scope="module")
def stage(engine: Engine, image_id: str, own_set: Path) -> Iterator[CheckStage]:
    with check_stage(engine, image_id, load_checks(RunConfig(checks=(str(own_set),))).checks) as made:
        yield made


def test_a_users_set_judges_a_good_store(stage: CheckStage) -> None:
    report = stage.report(GOOD)

    assert report.green, report
    assert [result.verdict.value for result in report.results] == ["passed"] * 2 + ["not applicable"] * 2
    # Whatever runs in a box of its own may have run generated code: its word is a claim.
    assert all(result.claimed for result in report.results)


def test_a_users_gate_stops_what_comes_after_it(stage: CheckStage) -> None:
    report = stage.report({"a.py": "def f(:\n"})

    assert [result.check for result in report.results] == ["compiles"]
    assert "SyntaxError" in report.results[0].findings[0].text


def test_a_sarif_report_blocks_by_its_rules(stage: CheckStage) -> None:
    advisory = stage.result({"a.py": "def one(x) -> int:\n    return 1\n"}, "annotations")
    blocking = stage.result({"a.py": "def one():\n    return 1\n"}, "annotations")

    assert (advisory.verdict, len(advisory.findings)) == (Verdict.PASSED, 1)
    assert blocking.verdict is Verdict.FAILED
    assert (blocking.findings[0].where, blocking.findings[0].text.split()[0]) == ("a.py:1", "ANN201")


def test_a_junit_report_is_read(stage: CheckStage) -> None:
    test = "def test_a() -> None:\n    assert 1 == {}\n"
    good = stage.result({**GOOD, "test_a.py": test.format(1)}, "suite")
    bad = stage.result({**GOOD, "test_a.py": test.format(2)}, "suite")

    assert (good.verdict, good.passed_count) == (Verdict.PASSED, 1), good
    assert bad.verdict is Verdict.FAILED
    assert bad.findings[0].where == "test_a::test_a"


def test_a_report_that_was_never_written_or_is_a_link_is_no_pass(stage: CheckStage) -> None:
    leave = "import os\n\nos._exit(0)\n"
    link = (
        "import os, sys\n\n"
        "report = next(one for one in sys.orig_argv if 'junitxml' in one).split('=')[1]\n"
        "open('/scratch/home/x', 'w').write('<testsuite><testcase name=\"a\"/></testsuite>')\n"
        "os.symlink('/scratch/home/x', report)\nos._exit(0)\n"
    )
    for text in (leave, link):
        result = stage.result({**GOOD, "test_a.py": text}, "suite")
        assert (result.verdict, result.ending) == (Verdict.BROKEN_OFF, Ending.INCOMPLETE)


def test_a_script_of_the_store_is_judged_by_its_exit_code(stage: CheckStage) -> None:
    good = stage.result({**GOOD, "check.sh": "exit 0\n"}, "own-script")
    bad = stage.result({**GOOD, "check.sh": "echo no; exit 3\n"}, "own-script")

    assert (good.verdict, bad.verdict) == (Verdict.PASSED, Verdict.FAILED)
    assert bad.findings[0].text == "no"


@pytest.mark.parametrize("files", [{}, {"a.txt": "x"}], ids=["none", "no Python"])
def test_a_store_without_files_for_any_check_is_not_green(stage: CheckStage, files: dict[str, str]) -> None:
    report = stage.report(files)

    assert not report.green
    assert report.results[0].verdict is Verdict.NOTHING_TO_JUDGE


@pytest.mark.parametrize("check", ["lint", "types"])
def test_tools_that_tell_of_no_file_pass_no_store_without_one(
    engine: Engine, image_id: str, check: str
) -> None:
    checks = load_checks(RunConfig()).checks
    only = tuple(one for one in checks if one.name == check)
    with check_stage(engine, image_id, only) as stage:
        assert stage.result({"a.txt": "x"}, check).verdict is Verdict.NOTHING_TO_JUDGE
        assert stage.result({"a.py": "x: int = 1\n"}, check).verdict is Verdict.PASSED


def test_a_flood_of_unused_imports_blocks_nothing_and_hides_nothing(engine: Engine, image_id: str) -> None:
    flood = "".join(f"import m{number}\n" for number in range(600))
    lint = tuple(one for one in load_checks(RunConfig()).checks if one.name == "lint")
    with check_stage(engine, image_id, lint) as stage:
        untidy = stage.result({"a.py": flood}, "lint")
        wrong = stage.result({"a.py": flood, "b.py": "print(nowhere)\n"}, "lint")

    assert (untidy.verdict, untidy.failed_count) == (Verdict.PASSED, 0), untidy.findings[:1]
    assert untidy.findings[-1] == Finding("", "and 100 more remarks", blocking=False)
    assert (wrong.verdict, wrong.findings[0].where) == (Verdict.FAILED, "b.py:1")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("[/usr/bin/no-such-tool]", "No such file"),
        ("[/usr/bin/no-such-tool, '{report}']", "No such file"),
        ("[ruff, check, --no-such-option, .]", "no-such-option"),
    ],
)
def test_a_tool_that_cannot_start_is_a_fault_of_the_entry(
    engine: Engine, image_id: str, tmp_path: Path, command: str, said: str
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "images: [python]\nchecks:\n"
        f"  - {{name: mine, command: {command}, files: [a.py], parser: exit_code, usage_exit_codes: [2]}}\n"
    )
    with (
        check_stage(engine, image_id, load_checks(RunConfig(checks=(str(path),))).checks) as stage,
        pytest.raises(SandboxFailure, match=f"check mine .*{said}"),
    ):
        stage.report(GOOD)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_entry_names_a_tool_that_its_images_hold(engine: Engine, path: Path) -> None:
    content = CheckSet.model_validate(yaml.safe_load(path.read_text("utf-8")))
    needed = {check.command[0] for check in content.checks if check.command}
    needed |= {
        f"/opt/lmac/inside/{check.program}.py"
        for check in content.checks
        if check.program not in (None, Program.PYTEST)
    }
    for image in content.images:
        image_id = load_image(engine, build_image(IMAGES / image, CACHE, engine).archive_path)
        # Not every image has a lister of folders; all have the Python of our programs.
        held = "import os, sys; print(*filter(os.path.isfile, sys.argv[1:]))"
        listed = engine.client.containers.run(
            image_id,
            ["/usr/bin/python3", "-I", "-c", held, *sorted(needed)],
            network_mode="none",
            read_only=True,
            remove=True,
        )
        assert set(listed.decode().split()) == needed


def test_every_check_of_the_shipped_sets_is_made_from_its_entry() -> None:
    for path in SHIPPED:
        # Texts alone hold no check that has to pass.
        names = ("python", "text") if path.stem == "text" else (path.stem,)
        content = CheckSet.model_validate(yaml.safe_load(path.read_text("utf-8")))
        entries = {entry.name: entry for entry in content.checks}
        checks = {check.name: check for check in load_checks(RunConfig(checks=names)).checks}

        assert checks.keys() >= entries.keys()
        for name, entry in entries.items():
            job = checks[name].job()
            assert (checks[name].gates, checks[name].reuse) == (entry.gates, entry.reuse)
            assert job.wall_seconds == entry.wall_seconds
            assert job.is_session == (entry.program is Program.PYTEST)
