"""From the task to a program and its revisions: the real control unit over scripted replies."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from job_results import job_result
from lmac.assembly import action_protocol
from lmac.bootstrap import ask_for_split
from lmac.briefing import Briefing, Setting
from lmac.budget import Budget, BudgetLimits
from lmac.control_unit import ControlUnit, Machine
from lmac.conversation import BudgetRefused, Conversation
from lmac.errors import ContextOverflow, ModelError
from lmac.evaluation import CheckResult, JudgedTest, Verdict
from lmac.evaluator import Evaluator
from lmac.file_store import FileStore
from lmac.journal import Event, Journal, read_journal
from lmac.messages import Finish, Reply, Request, Role, Sampling, ToolCall
from lmac.processor.actions import ProtocolName
from lmac.processor.recorded import RecordedProcessor
from lmac.program import Instruction, Program, ProgramForm, Requirement, Task
from lmac.program.coverage import gaps
from lmac.program.ledger import RequirementState, ledger
from lmac.program.registry import InstructionEnd, InstructionRegistry
from lmac.program.revision import Split
from lmac.prompts import shipped_prompts
from lmac.store_map import StoreMap
from lmac.tools import Workspace
from lmac.transitions import MachineLimits, Outcome
from lmac_sandbox import Ending, Job, JobResult, Overlay, Reuse, Snapshot
from memory_keeper import MemoryKeeper
from strict_processor import body_of
from strict_requests import request_fault

PROSE = Task("Write a.py, which doubles numbers, and b.py, which halves them, with tests.", "t")
NUMBERED = Task("Write a.py and b.py.\n\n1. a.py: double(n) doubles.\n2. b.py: half(n) halves.\n", "t")
FIRST = {"text": "Write doubling.", "files": ["a.py", "test_a.py"], "requirements": [1]}
SECOND = {"text": "Write halving.", "files": ["b.py", "test_b.py"], "requirements": [2], "depends_on": [1]}
WHOLE = {"instructions": [FIRST, SECOND]}
REQUIRED = {"requirements": ["double(n) doubles.", "half(n) halves."]}
LIMITS = MachineLimits(turns=3, attempts=1)


class GreenBoxes:
    """Copies the store truly and runs nothing."""

    reuse = Reuse.SINGLE_USE

    def __init__(self, keeper: MemoryKeeper) -> None:
        self._keeper = keeper

    @contextmanager
    def take(self) -> Iterator[GreenBoxes]:
        yield self

    def snapshot(self, overlay: Overlay | None = None) -> Snapshot:
        return Snapshot(self._keeper.digest(), len(self._keeper.files))

    def place(self, files: Mapping[str, bytes], into: Literal["subject", "suite", "judge"]) -> None:
        raise AssertionError("nothing is placed")

    def run(self, job: Job) -> JobResult:
        return job_result("")

    def close(self) -> None:
        raise AssertionError("none of these boxes breaks")


class EachFilePasses:
    """A check that reports one passed test for each test file of the store."""

    name = "tests"
    gates = False
    reuse = Reuse.SINGLE_USE

    def __init__(self, keeper: MemoryKeeper) -> None:
        self._keeper = keeper

    def job(self) -> Job:
        return Job(("tests",))

    def judge(self, result: JobResult) -> CheckResult:
        paths = [path for path in self._keeper.files if path.startswith("test_")]
        tests = tuple(JudgedTest(f"{path}::test_it", "passed", 0.1) for path in paths)
        return CheckResult("tests", Verdict.PASSED, Ending.EXITED, counts_tests=True, tests=tests)


class Run:
    """A machine over scripted replies, and what its journal holds."""

    def __init__(
        self,
        folder: Path,
        replies: Sequence[Reply | ModelError],
        form: ProgramForm = ProgramForm.TOOL,
        task: Task = PROSE,
        limits: MachineLimits = LIMITS,
        program: Program | None = None,
        budget: BudgetLimits | None = None,
        processor: RecordedProcessor | None = None,
    ) -> None:
        self._folder = folder
        self.processor = processor or RecordedProcessor(replies)
        keeper = MemoryKeeper()
        native = form is ProgramForm.TOOL
        protocol = action_protocol(ProtocolName.NATIVE if native else ProtocolName.FENCED)
        evaluator = Evaluator(GreenBoxes(keeper), (EachFilePasses(keeper),))
        store = FileStore(keeper)
        workspace = Workspace(store, evaluator, StoreMap(evaluator, store))
        setting = Setting(
            task=task,
            prompts=shipped_prompts("codebase"),
            limits=limits,
            most_instructions=4,
            context_tokens=16_000,
            sampling=Sampling(0.0, 500),
            program_form=form,
            program=program,
        )
        with Journal(folder) as journal:
            conversation = Conversation(self.processor, protocol, journal, Budget(budget or BudgetLimits()))
            unit = ControlUnit(Machine(setting, conversation, protocol, workspace, journal))
            self.outcome = unit.run()
            self.registry = unit.state.registry
            self.report = unit.report_at_hand

    def events(self, kind: str) -> list[Event]:
        return [event for event in read_journal(self._folder) if event.kind == kind]

    @property
    def steps(self) -> list[Instruction]:
        assert self.registry is not None
        return list(self.registry.program.instructions)

    def asked(self, number: int) -> str:
        """All that request `number` said, from 0."""
        return "\n\n".join(message.text for message in self.processor.requests[number].messages)

    def heard_last(self, number: int) -> str:
        """What came after the model's last reply."""
        messages = self.processor.requests[number].messages
        roles = [message.role for message in messages]
        last = len(roles) - roles[::-1].index(Role.ASSISTANT)
        return "\n\n".join(message.text for message in messages[last:])


def called(*calls: tuple[str, Any]) -> Reply:
    made = (
        ToolCall(f"c{place}", name, json.dumps(arguments)) for place, (name, arguments) in enumerate(calls)
    )
    return Reply("", Finish.TOOL_CALLS, calls=tuple(made))


def said(text: str | dict[str, Any]) -> Reply:
    return Reply(text if isinstance(text, str) else json.dumps(text), Finish.STOP)


def native_work(*paths: str) -> Reply:
    """Writes the files and calls the instruction complete."""
    return called(*(("write", {"path": path, "content": f"{path}\n"}) for path in paths), ("done", {}))


def fenced_work(*paths: str) -> Reply:
    return said("\n\n".join(f"FILE: {path}\n```\n{path}\n```" for path in paths) + "\n\nDONE")


SUMMARY = said("It is there.")
NATIVE_WORK = [native_work("a.py", "test_a.py"), SUMMARY, native_work("b.py", "test_b.py")]
FENCED_WORK = [fenced_work("a.py", "test_a.py"), SUMMARY, fenced_work("b.py", "test_b.py")]


# Requirements, then instructions


def test_requirements_then_instructions_by_native_calls(tmp_path: Path) -> None:
    run = Run(tmp_path, [called(("requirements", REQUIRED)), called(("program", WHOLE)), *NATIVE_WORK])

    assert run.outcome is Outcome.COMPLETED
    assert [request.tools[0].name for request in run.processor.requests[:2]] == ["requirements", "program"]
    assert "2. half(n) halves." in run.asked(1)
    assert [step.requirements for step in run.steps] == [(1,), (2,)]
    assert [event.data["source"] for event in run.events("requirements")] == ["the model"]
    assert run.events("program")[0].data["mended"] == []


def test_requirements_then_instructions_as_json_of_a_schema(tmp_path: Path) -> None:
    run = Run(tmp_path, [said(REQUIRED), said(WHOLE), *FENCED_WORK], ProgramForm.SCHEMA)

    assert run.outcome is Outcome.COMPLETED
    schemas = [request.json_schema for request in run.processor.requests[:3]]
    assert [list(schema["properties"]) if schema else None for schema in schemas] == [
        ["requirements"],
        ["instructions"],
        None,
    ]


def test_a_task_that_numbers_its_requirements_is_asked_for_none(tmp_path: Path) -> None:
    run = Run(tmp_path, [called(("program", WHOLE)), *NATIVE_WORK], task=NUMBERED)

    (taken,) = run.events("requirements")
    assert run.outcome is Outcome.COMPLETED
    assert taken.data["source"] == "the task's own numbers"
    assert [found["number"] for found in taken.data["requirements"]] == [1, 2]
    assert "those that the task numbers, 1 to 2." in run.asked(0)
    assert "It covers these requirements of the task: 1." in run.asked(1)


def test_what_is_no_answer_goes_back_with_its_fault(tmp_path: Path) -> None:
    run = Run(
        tmp_path,
        [
            said("I shall think about it."),
            called(("requirements", REQUIRED)),
            called(("program", {"instructions": [{"text": ""}]})),
            called(("program", WHOLE)),
            *NATIVE_WORK,
        ],
    )

    assert run.outcome is Outcome.COMPLETED
    assert "`requirements` was not called" in run.heard_last(1)
    assert "instructions.0.text" in run.heard_last(3)
    assert len(run.events("program_refused")) == len(run.events("requirements_refused")) == 1


def test_a_model_that_never_gives_either_works_on_the_task_itself(tmp_path: Path) -> None:
    silence = [said("No.")] * (LIMITS.requirement_tries + LIMITS.program_tries)
    run = Run(tmp_path, [*silence, native_work("a.py", "test_a.py")])

    assert run.outcome is Outcome.COMPLETED
    assert [step.text for step in run.steps] == [PROSE.text]
    assert run.events("requirements")[0].data["source"] == "nowhere"
    assert run.events("program")[0].data["source"] == "the task itself"


def test_without_tries_nothing_is_asked_and_the_task_covers_all_its_requirements(tmp_path: Path) -> None:
    limits = replace(LIMITS, program_tries=0)
    run = Run(tmp_path, [native_work("a.py", "test_a.py")], task=NUMBERED, limits=limits)

    assert run.outcome is Outcome.COMPLETED
    assert [step.requirements for step in run.steps] == [(1, 2)]


@pytest.mark.parametrize("overflowing", [0, 1])
def test_a_window_too_small_for_the_question_leaves_it_unasked(tmp_path: Path, overflowing: int) -> None:
    replies = [called(("requirements", REQUIRED))][:overflowing]
    rest = [called(("program", WHOLE))] if overflowing == 0 else []
    work = NATIVE_WORK if overflowing == 0 else [native_work("a.py", "test_a.py")]
    run = Run(tmp_path, [*replies, ContextOverflow("too long"), *rest, *work])

    assert run.outcome is Outcome.COMPLETED
    assert len(run.steps) == (2 if overflowing == 0 else 1)


# Reflection


GAPPY = {"instructions": [FIRST | {"requirements": [], "depends_on": [2]}, SECOND]}


def test_gaps_go_back_by_name_and_the_whole_program_is_taken(tmp_path: Path) -> None:
    replies = [called(("requirements", REQUIRED)), called(("program", GAPPY)), called(("program", WHOLE))]
    run = Run(tmp_path, [*replies, *NATIVE_WORK])

    told = run.heard_last(2)
    assert run.outcome is Outcome.COMPLETED
    assert "requirement 1 is covered by no step: double(n) doubles." in told
    assert "steps 1, 2 depend on one another in a circle" in told
    assert [step.requirements for step in run.steps] == [(1,), (2,)]
    assert run.events("program")[0].data["mended"] == []


def test_gaps_that_stay_are_closed_by_code_and_journalled(tmp_path: Path) -> None:
    replies = [called(("requirements", REQUIRED)), *[called(("program", GAPPY))] * 3]
    run = Run(tmp_path, [*replies, *NATIVE_WORK])

    assert run.outcome is Outcome.COMPLETED
    assert len(run.events("program_gaps")) == 3
    assert [(step.number, step.requirements, step.depends_on) for step in run.steps] == [
        (1, (1,), ()),
        (2, (2,), (1,)),
    ]
    assert run.events("program")[0].data["mended"] == [
        "step 1 no longer waits for others of the circle 1, 2",
        "requirements 1 went to step 1",
    ]


def test_a_worse_answer_to_the_gaps_leaves_the_draft_as_it_was(tmp_path: Path) -> None:
    worse = {"instructions": [{"text": "All.", "requirements": [7, 8], "depends_on": [3]}]}
    replies = [called(("requirements", REQUIRED)), called(("program", GAPPY))]
    run = Run(tmp_path, [*replies, called(("program", worse)), said("No."), *NATIVE_WORK])

    assert [step.text for step in run.steps] == ["Write doubling.", "Write halving."]


def test_instructions_are_carried_out_after_those_that_they_depend_on(tmp_path: Path) -> None:
    turned = {"instructions": [FIRST | {"depends_on": [2]}, SECOND | {"depends_on": []}]}
    work = [native_work("b.py", "test_b.py"), SUMMARY, native_work("a.py", "test_a.py")]
    run = Run(tmp_path, [called(("program", turned)), *work], task=NUMBERED)

    assert run.outcome is Outcome.COMPLETED
    assert [step.number for step in run.steps] == [2, 1]
    assert "Carry out step 2 now" in run.asked(1)


# Weak models


@pytest.mark.parametrize("form", [ProgramForm.JSON, ProgramForm.NUMBERED])
def test_a_weak_model_is_asked_once_and_code_knows_the_requirements(
    tmp_path: Path, form: ProgramForm
) -> None:
    files = [("a.py", "test_a.py"), ("b.py", "test_b.py")]
    steps = [{"module": module, "tests": tests, "text": "It works."} for module, tests in files]
    listed = "\n".join(
        f"{place}. Write it. (files: {', '.join(pair)})" for place, pair in enumerate(files, start=1)
    )
    given = said({"steps": steps} if form is ProgramForm.JSON else listed)
    run = Run(tmp_path, [given, *FENCED_WORK], form, NUMBERED)

    assert run.outcome is Outcome.COMPLETED
    assert [step.requirements for step in run.steps] == [(1,), (2,)]
    assert run.events("program")[0].data["mended"] == [
        "requirements 1 went to step 1",
        "requirements 2 went to step 2",
    ]


LIBRARY = Task(
    "Write a.py and b.py.\n\n"
    "1. a.py: double(n) doubles.\n2. b.py: half(n) halves.\n3. test_a.py and test_b.py test both.\n",
    "t",
)
ONE_MODULE = Task("Write a.py and test_a.py.\n\n1. double(n) doubles.\n2. test_a.py tests that.\n", "t")


def test_with_one_module_a_weak_model_is_asked_for_no_program(tmp_path: Path) -> None:
    run = Run(
        tmp_path, [fenced_work("a.py"), SUMMARY, fenced_work("test_a.py")], ProgramForm.JSON, ONE_MODULE
    )

    assert run.outcome is Outcome.COMPLETED
    assert [(step.files, step.requirements) for step in run.steps] == [
        (("a.py",), (1,)),
        (("test_a.py",), (2,)),
    ]
    assert run.events("program")[0].data["source"] == "the task's files"


@pytest.mark.parametrize(
    ("budget", "is_asked"),
    [
        (BudgetLimits(), True),
        (BudgetLimits(tokens=100_000), True),
        (BudgetLimits(tokens=4_000), False),
        (BudgetLimits(calls=5), True),
        (BudgetLimits(calls=4), False),
    ],
)
def test_steps_that_the_budget_cannot_pay_a_write_and_a_repair_are_not_asked_for(
    tmp_path: Path, budget: BudgetLimits, is_asked: bool
) -> None:
    given = said(
        {"steps": [{"module": path, "tests": f"test_{path}", "text": "It."} for path in ("a.py", "b.py")]}
    )
    coarse = [fenced_work("a.py", "b.py"), SUMMARY, fenced_work("test_a.py", "test_b.py")]
    run = Run(
        tmp_path, [given, *FENCED_WORK] if is_asked else coarse, ProgramForm.JSON, LIBRARY, budget=budget
    )

    assert [step.files for step in run.steps] == (
        [("a.py", "test_a.py"), ("b.py", "test_b.py")]
        if is_asked
        else [("a.py", "b.py"), ("test_a.py", "test_b.py")]
    )


def test_without_tries_a_weak_model_works_on_the_task_itself(tmp_path: Path) -> None:
    limits = replace(LIMITS, program_tries=0)
    run = Run(tmp_path, [fenced_work("a.py", "test_a.py")], ProgramForm.JSON, ONE_MODULE, limits)

    assert [step.text for step in run.steps] == [ONE_MODULE.text]


@pytest.mark.parametrize("form", [ProgramForm.JSON, ProgramForm.TOOL])
def test_a_weak_model_leaves_to_later_steps_what_only_they_name(tmp_path: Path, form: ProgramForm) -> None:
    steps = Program((Instruction("Write a.", ("a.py",)), Instruction("Write b.", ("b.py",)))).numbered()
    native = form is ProgramForm.TOOL
    other = called(("write", {"path": "b.py", "content": "other\n"}), ("done", {}))
    replies = (
        [native_work("a.py", "b.py"), SUMMARY, other]
        if native
        else [fenced_work("a.py", "b.py"), SUMMARY, fenced_work("b.py")]
    )
    run = Run(tmp_path, replies, form, program=steps)

    assert run.outcome is Outcome.COMPLETED
    writes = [event.data for event in run.events("observation") if event.data["action"] == "write"]
    assert [(written["arguments"]["path"], written["ok"]) for written in writes] == [
        ("a.py", True),
        ("b.py", native),
        ("b.py", True),
    ]
    assert ("belongs to step 2, which comes later" in run.heard_last(1)) is not native


def test_a_path_copied_from_an_example_or_out_of_the_store_binds_no_step(tmp_path: Path) -> None:
    given = said("1. Write it. (files: MODULE.py, TEST_FILE.py, ../b.py, path/to/c.py)")
    run = Run(tmp_path, [given, fenced_work("a.py", "test_a.py")], ProgramForm.NUMBERED)

    assert run.outcome is Outcome.COMPLETED
    assert run.steps[0].files == ()


# The user's program


def test_a_program_of_the_users_is_carried_out_without_asking_for_one(tmp_path: Path) -> None:
    own = Program(
        (
            Instruction("Do a.", ("a.py", "test_a.py"), (5,), number=1),
            Instruction("Do b.", ("b.py",), number=2),
        ),
        (Requirement(5, "It doubles."),),
    )
    run = Run(tmp_path, [*NATIVE_WORK], program=own)

    assert run.outcome is Outcome.COMPLETED
    assert [step.text for step in run.steps] == ["Do a.", "Do b."]
    assert run.events("program")[0].data["source"] == "user"
    assert run.events("requirements")[0].data["source"] == "the program that the user gave"


# Revision


def test_a_step_is_split_while_it_runs_and_its_parts_are_carried_out(tmp_path: Path) -> None:
    parts = [{"text": "Write b.", "files": ["b.py"]}, {"text": "Test b.", "files": ["test_b.py"]}]
    split = called(
        ("revise", {"change": "split", "step": 2, "reason": "too large", "steps": parts}), ("done", {})
    )
    work = [native_work("a.py", "test_a.py"), SUMMARY, split]
    run = Run(
        tmp_path,
        [called(("program", WHOLE)), *work, native_work("b.py"), SUMMARY, native_work("test_b.py")],
        task=NUMBERED,
    )

    (revised,) = run.events("program_revised")
    assert run.outcome is Outcome.COMPLETED
    assert (revised.data["change"], revised.data["reason"]) == ("split", "too large")
    assert [(step.number, step.files) for step in run.steps] == [
        (1, ("a.py", "test_a.py")),
        (3, ("b.py",)),
        (4, ("test_b.py",)),
    ]
    assert "Carry out step 3 now: Write b." in run.asked(4)


def test_a_step_is_added_behind_and_the_current_one_goes_on(tmp_path: Path) -> None:
    added = {"change": "add", "reason": "missing", "steps": [{"text": "Add c.", "files": ["c.py"]}]}
    first = called(
        ("revise", added),
        *(("write", {"path": path, "content": "x\n"}) for path in ("a.py", "test_a.py")),
        ("done", {}),
    )
    run = Run(
        tmp_path,
        [called(("program", WHOLE)), first, SUMMARY, NATIVE_WORK[2], SUMMARY, native_work("c.py")],
        task=NUMBERED,
    )

    assert run.outcome is Outcome.COMPLETED
    assert [step.text for step in run.steps] == ["Write doubling.", "Write halving.", "Add c."]


def test_a_revision_that_is_refused_or_one_too_many_is_told_and_changes_nothing(tmp_path: Path) -> None:
    drop = ("revise", {"change": "drop", "step": 2, "reason": "no need"})
    add = ("revise", {"change": "add", "reason": "more", "steps": [{"text": "More."}]})
    limits = replace(LIMITS, revisions=1, turns=5)
    again = called(add, ("list", {}))
    script = [called(("program", WHOLE)), called(drop), called(add), again, *NATIVE_WORK]
    run = Run(tmp_path, [*script, SUMMARY, native_work("c.py")], task=NUMBERED, limits=limits)

    assert "only step 2 covers requirements 2" in run.heard_last(2)
    assert "3. More." in run.heard_last(3)
    assert "it was revised 1 times already" in run.heard_last(4)
    assert run.outcome is Outcome.COMPLETED
    assert len(run.events("program_revised")) == len(run.events("revision_refused")) == 1


def test_without_revisions_the_model_is_not_offered_them(tmp_path: Path) -> None:
    offered = []
    for limits in (LIMITS, replace(LIMITS, revisions=0)):
        folder = tmp_path / str(limits.revisions)
        folder.mkdir()
        run = Run(folder, [called(("program", WHOLE)), *NATIVE_WORK], task=NUMBERED, limits=limits)
        offered.append("revise" in [tool.name for tool in run.processor.requests[1].tools])

    assert offered == [True, False]


# The split that the control unit asks for


PARTS = {"parts": [{"text": "One.", "files": ["a.py"]}, {"text": "Two."}]}


@pytest.mark.parametrize(
    ("form", "reply"),
    [
        (ProgramForm.TOOL, called(("parts", PARTS))),
        (ProgramForm.SCHEMA, said(PARTS)),
        (ProgramForm.JSON, said(PARTS)),
        (ProgramForm.NUMBERED, said("1. One. (files: a.py)\n2. Two.")),
    ],
)
def test_a_split_is_asked_for_in_the_form_of_the_profile(
    tmp_path: Path, form: ProgramForm, reply: Reply
) -> None:
    split = ask(tmp_path, form, reply)

    assert isinstance(split, Split)
    assert (split.number, split.parts) == (7, (Instruction("One.", ("a.py",)), Instruction("Two.")))


def test_the_parts_of_a_weak_model_write_no_files_that_the_whole_does_not_write(tmp_path: Path) -> None:
    reply = said("1. One. (files: a.py, helper.py)\n2. Two. (files: test_a.py)")
    split = ask(tmp_path, ProgramForm.NUMBERED, reply, files=("a.py", "test_a.py"))

    assert split is not None
    assert [part.files for part in split.parts] == [("a.py",), ("test_a.py",)]


@pytest.mark.parametrize(
    "reply",
    [
        said("I cannot."),
        said("1. One."),
        said("1. One.\n2. One."),
        said("\n".join(f"{number}. Part." for number in range(1, 9))),
        ContextOverflow("too long"),
    ],
)
def test_what_is_no_split_is_none(tmp_path: Path, reply: Reply | ModelError) -> None:
    assert ask(tmp_path, ProgramForm.NUMBERED, reply) is None


def test_where_the_model_gives_no_parts_code_divides_the_requirements(tmp_path: Path) -> None:
    split = ask(tmp_path, ProgramForm.NUMBERED, said("I cannot."), requirements=(1, 2, 3, 4))

    assert split is not None
    assert [part.requirements for part in split.parts] == [(1, 2), (3, 4)]


def test_a_split_that_the_budget_refuses_is_told_to_the_caller(tmp_path: Path) -> None:
    with pytest.raises(BudgetRefused):
        ask(tmp_path, ProgramForm.NUMBERED, said("1. One.\n2. Two."), BudgetLimits(calls=0))


def ask(
    folder: Path,
    form: ProgramForm,
    reply: Reply | ModelError,
    limits: BudgetLimits | None = None,
    files: tuple[str, ...] = (),
    requirements: tuple[int, ...] = (),
) -> Split | None:
    protocol = action_protocol(ProtocolName.NATIVE if form is ProgramForm.TOOL else ProtocolName.FENCED)
    setting = Setting(
        PROSE, shipped_prompts("codebase"), LIMITS, 4, 16_000, Sampling(0.0, 500), program_form=form
    )
    registry = InstructionRegistry(
        Program((Instruction("All of it.", files, requirements, number=7),))
    ).restart("a.py fails")
    with Journal(folder) as journal:
        processor = RecordedProcessor([reply])
        conversation = Conversation(processor, protocol, journal, Budget(limits or BudgetLimits()))
        briefing = Briefing(setting, protocol, FileStore(MemoryKeeper()))
        split = ask_for_split(briefing, conversation, registry, setting.sampling)
    assert "a.py fails" in processor.requests[0].messages[1].text
    return split


# The ledger


def test_the_ledger_is_journalled_whenever_it_changes_and_ends_as_it_is_folded(tmp_path: Path) -> None:
    run = Run(tmp_path, [called(("program", WHOLE)), *NATIVE_WORK], task=NUMBERED)
    courses = [
        (event.data["open"], event.data["built"], event.data["shown"]) for event in run.events("ledger")
    ]

    assert courses == [([1, 2], [], []), ([2], [], [1]), ([], [], [1, 2])]
    assert run.events("ledger")[-1].data["shown_by"] == {
        "1": ["test_a.py::test_it"],
        "2": ["test_b.py::test_it"],
    }
    assert run.registry is not None
    assert [entry.state for entry in ledger(run.registry, run.report)] == [RequirementState.SHOWN] * 2


def test_a_step_that_is_given_up_leaves_its_requirements_open(tmp_path: Path) -> None:
    idle = [said("Hm.")] * 3
    run = Run(tmp_path, [called(("program", WHOLE)), *idle, SUMMARY, NATIVE_WORK[2]], task=NUMBERED)

    assert run.outcome is Outcome.INSTRUCTION_GIVEN_UP
    assert run.registry is not None
    assert run.registry.ends == (InstructionEnd.GIVEN_UP, InstructionEnd.COMPLETED)
    assert run.events("ledger")[-1].data["open"] == [1]


# Whatever a model does


class Wild(RecordedProcessor):
    """Goes through its replies again and again; refuses what servers in use refuse."""

    def __init__(self, replies: Sequence[Reply | ModelError]) -> None:
        super().__init__(())
        self._endless = cycle(replies)

    def ask(self, request: Request) -> Reply:
        assert request_fault(body_of(request)) == ""
        reply = next(self._endless)
        if isinstance(reply, ModelError):
            raise reply
        return reply


REVISIONS = [
    {"change": "split", "step": 2, "reason": "r", "steps": [{"text": "x", "files": ["c.py"]}, {"text": "y"}]},
    {"change": "add", "reason": "r", "steps": [{"text": "z"}], "depends_on": [1], "needed_by": [2]},
    {"change": "drop", "step": 2, "reason": "r", "moved_to": 1},
    {"change": "drop", "step": 1, "reason": "r"},
]
NATIVE_REPLIES = [
    called(("requirements", REQUIRED)),
    called(("program", WHOLE)),
    called(("program", GAPPY)),
    called(("program", GAPPY), ("requirements", REQUIRED), ("done", {})),
    called(("parts", PARTS)),
    *(called(("revise", revision), ("done", {})) for revision in REVISIONS),
    *NATIVE_WORK,
    said("{"),
    ContextOverflow("too long"),
]
WORDS = [
    said(REQUIRED),
    said(WHOLE),
    said(GAPPY),
    said(PARTS),
    *FENCED_WORK,
    said("1. a\n2. b (files: a.py)"),
]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from([*NATIVE_REPLIES, *WORDS]), min_size=1, max_size=8),
    st.sampled_from(ProgramForm),
    st.sampled_from([PROSE, NUMBERED]),
)
def test_whatever_a_model_gives_the_run_ends_and_its_program_is_whole(
    tmp_path: Path, replies: list[Reply | ModelError], form: ProgramForm, task: Task
) -> None:
    folder = tmp_path / token_hex(8)
    folder.mkdir()
    run = Run(folder, replies, form, task, replace(LIMITS, attempts=2), processor=Wild(replies))

    assert isinstance(run.outcome, Outcome)
    assert run.registry is not None
    assert gaps(run.registry.program) == ()
    assert len(run.events("program_revised")) == run.registry.revisions <= LIMITS.revisions
    last = run.events("ledger")[-1].data if run.events("ledger") else {}
    counted = sum(len(last.get(state.value, ())) for state in RequirementState)
    assert counted == len(run.registry.program.requirements)


def test_a_form_that_the_model_does_not_keep_gives_way_to_the_next_one(tmp_path: Path) -> None:
    listed = said("1. Write a.py, and tests. (files: a.py, test_a.py)")
    refused = [said("No.")] * LIMITS.format_faults
    run = Run(tmp_path, [*refused, listed, native_work("a.py", "test_a.py")], task=NUMBERED)

    stepped = run.events("protocol_stepped_down")[0].data
    assert run.outcome is Outcome.COMPLETED
    assert (stepped["reason"], stepped["program_form"]) == (
        "2 replies in a row could not be read",
        "numbered",
    )
    assert run.processor.requests[2].tools == ()
    assert run.steps[0].files == ("a.py", "test_a.py")


def test_a_model_that_names_no_requirements_is_asked_for_a_program_in_the_next_form(tmp_path: Path) -> None:
    listed = said("1. Write a.py, and tests. (files: a.py, test_a.py)")
    refused = [said("No.")] * LIMITS.requirement_tries
    run = Run(tmp_path, [*refused, listed, native_work("a.py", "test_a.py")])

    assert run.outcome is Outcome.COMPLETED
    assert run.events("requirements")[0].data["source"] == "nowhere"
    assert [event.data["program_form"] for event in run.events("protocol_stepped_down")] == ["numbered"]


def test_a_list_that_cannot_be_read_is_asked_for_in_no_simpler_form(tmp_path: Path) -> None:
    refused = [said("No.")] * LIMITS.program_tries
    run = Run(tmp_path, [*refused, fenced_work("a.py", "test_a.py")], form=ProgramForm.NUMBERED)

    assert run.outcome is Outcome.COMPLETED
    assert run.events("protocol_stepped_down") == []
