"""The control unit with a scripted model and boxes that judge by reading: circles, best files, candidates."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lmac.baseline import run_loop
from lmac.briefing import Briefing
from lmac.budget import BudgetLimits
from lmac.conversation import Conversation
from lmac.errors import ModelSilent
from lmac.evaluation.evidence import weakened
from lmac.journal import Event, read_blob, read_journal
from lmac.messages import Finish, Reply, Request, Sampling, Usage
from lmac.processor import Processor
from lmac.processor.actions import EditForm
from lmac.processor.recorded import RecordedProcessor
from lmac.program import Instruction
from lmac.program.registry import InstructionRegistry
from lmac.program.revision import Split
from lmac.transitions import MachineLimits, Outcome
from memory_machine import MemoryMachine, UnsyncedJournal, memory_machine, unsynced

TWO_TESTS = "def test_a(): ...\ndef test_b(): ...\n"
ONE_STEP = "1. Write a.py, and tests. (files: a.py, test_a.py)"
TWO_STEPS = f"{ONE_STEP}\n2. Write b.py, and tests. (files: b.py, test_b.py)"


def says(text: str) -> Reply:
    return Reply(text, Finish.STOP, Usage(100, 10))


def wrote(**files: str) -> Reply:
    """Files by name without `.py`."""
    return says("\n\n".join(f"FILE: {name}.py\n```\n{text}```" for name, text in files.items()))


DONE = says("DONE")
SUMMARY = says("It is written.")
GREEN = wrote(a="A = 1\n", test_a=TWO_TESTS)
RED = wrote(a="A = 1  # BUG\n", test_a=TWO_TESTS)
WORSE = wrote(a="A = 1  # BUG\n", test_a=TWO_TESTS + "def test_c(): ...\n")
BROKEN = wrote(a="BROKEN\n")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[UnsyncedJournal]:
    with unsynced(tmp_path) as made:
        yield made


def _folder(folder: Path) -> Path:
    folder.mkdir()
    return folder


def events(journal_folder: Path, kind: str) -> list[Event]:
    return [event for event in read_journal(journal_folder) if event.kind == kind]


def scripted(journal: UnsyncedJournal, *replies: Reply, **machine: Any) -> MemoryMachine:
    return memory_machine(RecordedProcessor(replies), journal, **machine)


class AsksScript(Processor):
    """Answers from what it is asked; safe to ask from several threads."""

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        self.requests: list[Request] = []
        self._answer = answer

    def ask(self, request: Request) -> Reply:
        self.requests.append(request)
        return self._answer(request)


# Circles


def test_a_repeated_reply_makes_the_next_one_warmer_and_then_the_window_is_left(
    journal: UnsyncedJournal, tmp_path: Path
) -> None:
    limits = MachineLimits(turns=9, attempts=2, stuck_turns=3)
    processor = RecordedProcessor([says(ONE_STEP), *[says("I think.")] * 4, SUMMARY, GREEN, DONE])
    outcome = memory_machine(processor, journal, limits=limits).unit.run()
    temperatures = [request.sampling.temperature for request in processor.requests[1:5]]

    assert outcome is Outcome.COMPLETED
    assert temperatures == [0.0, 0.0, 0.1, 0.2]
    assert [event.data["heat"] for event in events(tmp_path, "stuck")] == [1, 2]
    restart = events(tmp_path, "restart")[0].data
    assert restart["reason"] == "3 turns brought nothing new: the same reply came again"


def test_a_reply_without_a_file_is_told_how_to_begin_the_one_that_is_missing(
    journal: UnsyncedJournal,
) -> None:
    processor = RecordedProcessor([says(ONE_STEP), says("My plan."), GREEN, DONE])

    assert memory_machine(processor, journal).unit.run() is Outcome.COMPLETED
    told = processor.requests[2].messages[-1].text
    assert "These files of the step are not written yet: a.py, test_a.py." in told
    assert told.endswith(
        "Begin your reply with the line `FILE: a.py`, then its whole content in a fenced block."
    )


def test_the_temperature_goes_back_when_something_changes(journal: UnsyncedJournal, tmp_path: Path) -> None:
    again = says("I think.")
    processor = RecordedProcessor([says(ONE_STEP), again, again, GREEN, says("READ a.py"), DONE])
    memory_machine(processor, journal, limits=MachineLimits(turns=9)).unit.run()
    temperatures = [request.sampling.temperature for request in processor.requests[1:]]

    assert temperatures == [0.0, 0.0, 0.1, 0.0, 0.0]
    assert [event.data["heat"] for event in events(tmp_path, "unstuck")] == [0]


def test_what_answers_a_red_report_is_sampled_no_cooler_than_the_profile_wants_it(
    journal: UnsyncedJournal,
) -> None:
    processor = RecordedProcessor([says(ONE_STEP), RED, GREEN, DONE, SUMMARY])
    outcome = memory_machine(processor, journal, repair_temperature=0.7).unit.run()

    assert outcome is Outcome.COMPLETED
    assert [request.sampling.temperature for request in processor.requests] == [0.0, 0.0, 0.7, 0.0]


@pytest.mark.parametrize("plans", [True, False])
def test_files_are_written_after_a_plan_where_the_profile_wants_one(
    plans: bool, journal: UnsyncedJournal
) -> None:
    processor = RecordedProcessor([says(ONE_STEP), GREEN, DONE, SUMMARY])
    memory_machine(processor, journal, plans=plans).unit.run()

    assert ("Begin with a plan" in processor.requests[1].messages[-1].text) is plans


def test_an_instruction_whose_attempts_are_spent_is_split_once_and_given_up_when_it_cannot_be(
    journal: UnsyncedJournal, tmp_path: Path
) -> None:
    asked = []

    def halved(
        briefing: Briefing, conversation: Conversation, registry: InstructionRegistry, sampling: Sampling
    ) -> Split | None:
        asked.append(registry.current.text)
        if len(asked) > 1:
            return None
        parts = Instruction("Write a.py"), Instruction("Write b.py")
        return Split(registry.number, parts, "it is too large")

    limits = MachineLimits(turns=1, attempts=1)
    script = says(ONE_STEP), RED, GREEN, wrote(b="BUG\n"), SUMMARY
    made = scripted(journal, *script, limits=limits, split=halved)
    outcome = made.unit.run()

    assert outcome is Outcome.INSTRUCTION_GIVEN_UP
    assert asked[1:] == ["Write a.py", "Write b.py"]
    ends = [event.data for event in events(tmp_path, "instruction_end")]
    assert [end["end"] for end in ends] == ["given up", "given up"]
    assert ends[0]["reason"] == "1 turns did not complete it"


# The best files


def test_a_window_that_made_the_files_worse_is_left_at_its_best_ones(
    journal: UnsyncedJournal, tmp_path: Path
) -> None:
    limits = MachineLimits(turns=3, attempts=1)
    made = scripted(journal, says(ONE_STEP), WORSE, RED, BROKEN, limits=limits)
    outcome = made.unit.run()

    assert outcome is Outcome.INSTRUCTION_GIVEN_UP
    assert made.keeper.files == {"a.py": b"A = 1  # BUG\n", "test_a.py": TWO_TESTS.encode()}
    assert made.unit.report_at_hand is not None
    assert made.unit.report_at_hand.store_digest == made.keeper.digest()
    assert len(events(tmp_path, "restored")) == 1


def test_of_files_that_are_alike_to_their_checks_the_first_ones_stay(journal: UnsyncedJournal) -> None:
    first, second = (wrote(a=f"A = {number}  # BUG\n", test_a=TWO_TESTS) for number in (1, 2))
    made = scripted(journal, says(ONE_STEP), first, second, limits=MachineLimits(turns=2, attempts=1))
    made.unit.run()

    assert made.keeper.files["a.py"] == b"A = 1  # BUG\n"


def test_an_instruction_that_breaks_what_ran_before_goes_back_to_its_beginning(
    journal: UnsyncedJournal,
) -> None:
    limits = MachineLimits(turns=2, attempts=1)
    breaks = wrote(b="BUG\n", test_b="def test_d(): ...\n")
    made = scripted(journal, says(TWO_STEPS), GREEN, DONE, SUMMARY, breaks, limits=limits)
    with pytest.raises(Exception, match="recording"):
        made.unit.run()
    made.unit.deliver_best()

    assert sorted(made.keeper.files) == ["a.py", "test_a.py"]
    assert made.unit.report_at_hand is not None
    assert made.unit.report_at_hand.green


def test_a_budget_that_ends_a_run_leaves_its_best_files(journal: UnsyncedJournal) -> None:
    made = scripted(journal, says(ONE_STEP), GREEN, BROKEN, budget=BudgetLimits(calls=3))

    assert made.unit.run() is Outcome.BUDGET_SPENT
    assert made.keeper.files["a.py"] == b"A = 1\n"


def test_an_instruction_that_does_not_come_right_leaves_the_next_one_its_share(
    journal: UnsyncedJournal, tmp_path: Path
) -> None:
    green = wrote(b="B = 1\n", test_b=TWO_TESTS)
    # The program, then four calls for two instructions: the third one of the first step is not made.
    processor = RecordedProcessor([says(TWO_STEPS), RED, WORSE, green, DONE])
    limits = MachineLimits(summaries=False)
    made = memory_machine(processor, journal, budget=BudgetLimits(calls=5), limits=limits)

    assert made.unit.run() is Outcome.BUDGET_SPENT
    assert sorted(made.keeper.files) == ["a.py", "b.py", "test_a.py", "test_b.py"]
    ends = [(event.data["end"], event.data["reason"]) for event in events(tmp_path, "instruction_end")]
    assert ends[0] == ("given up", "its share of the run's calls is spent")
    opening = next(
        request.messages[1].text
        for request in processor.requests
        if "Carry out step 2" in request.messages[1].text
    )
    assert "do not pass" not in opening, "what step 1 owes is not what step 2 is asked for"


def test_a_model_that_fails_in_the_midst_of_a_run_leaves_its_best_files(journal: UnsyncedJournal) -> None:
    processor = RecordedProcessor([says(ONE_STEP), GREEN, BROKEN, ModelSilent("gone")])
    made = memory_machine(processor, journal)
    with pytest.raises(ModelSilent):
        made.unit.run()
    made.unit.deliver_best()

    assert made.keeper.files["a.py"] == b"A = 1\n"


# Candidates


def test_a_first_candidate_that_is_green_is_the_only_one(journal: UnsyncedJournal, tmp_path: Path) -> None:
    made = scripted(journal, says(ONE_STEP), GREEN, DONE, candidates=4)

    assert made.unit.run() is Outcome.COMPLETED
    assert made.conversation.budget.calls == 3
    assert made.boxes.taken == 2, "what was judged as a candidate is not judged again"
    assert [event.data["chosen"] for event in events(tmp_path, "candidates")] == [0]


def _by_temperature(request: Request) -> Reply:
    """Red at first, green as a candidate with the third seed."""
    if len(request.messages) == 2 and "Divide this task" in request.messages[1].text:
        return says(ONE_STEP)
    if len(request.messages) > 2:
        return DONE
    if request.sampling.temperature == 0.0:
        return RED
    assert request.sampling.temperature == 0.8
    return GREEN if request.sampling.seed == 2001 else WORSE


def test_the_best_candidate_is_written_and_its_reply_is_the_one_that_was_given(
    journal: UnsyncedJournal, tmp_path: Path
) -> None:
    processor = AsksScript(_by_temperature)
    made = memory_machine(processor, journal, candidates=3)

    assert made.unit.run() is Outcome.COMPLETED
    assert made.keeper.files["a.py"] == b"A = 1\n"
    assert processor.requests[-1].messages[2].text == GREEN.text
    chosen = events(tmp_path, "candidates")[0].data
    assert (chosen["chosen"], chosen["green"]) == (2, [False, False, True])
    assert made.conversation.budget.calls == len(processor.requests) == 5
    purposes = [event.data["purpose"] for event in events(tmp_path, "request")]
    assert purposes == ["turn", "turn", "candidate", "candidate", "turn"]


def test_candidates_are_asked_for_only_as_far_as_the_budget_goes(journal: UnsyncedJournal) -> None:
    processor = AsksScript(_by_temperature)
    made = memory_machine(processor, journal, candidates=9, budget=BudgetLimits(calls=4))

    assert made.unit.run() is Outcome.BUDGET_SPENT
    assert made.conversation.budget.calls == 4


def test_candidates_leave_what_a_repair_of_the_best_one_costs(
    journal: UnsyncedJournal, tmp_path: Path
) -> None:
    free = AsksScript(_by_temperature)
    with unsynced(_folder(tmp_path / "free")) as unlimited:
        memory_machine(free, unlimited, candidates=9).unit.run()
    opening = events(tmp_path / "free", "request")[1].data["estimated_tokens"]
    spent, reply_tokens = 220, 500
    # One token less than a further sample, and a turn that answers it, may cost.
    tokens = spent + 2 * opening + 3 * reply_tokens - 1

    processor = AsksScript(_by_temperature)
    limited = BudgetLimits(tokens=tokens)
    memory_machine(
        processor, journal, candidates=9, budget=limited, limits=MachineLimits(attempts=1)
    ).unit.run()

    purposes = [event.data["purpose"] for event in events(tmp_path, "request")]
    assert purposes[:3] == ["turn", "turn", "turn"]


def test_hints_tell_each_candidate_what_the_best_before_it_lacks(
    journal: UnsyncedJournal, tmp_path: Path
) -> None:
    processor = AsksScript(_by_temperature)
    made = memory_machine(processor, journal, candidates=3, candidate_hints=True)

    assert made.unit.run() is Outcome.COMPLETED
    first, *candidates, after = processor.requests[1:]
    for request in candidates:
        told = request.messages[-1].text
        assert told.startswith(first.messages[-1].text)
        assert "An earlier attempt at this step failed these checks:" in told
        assert "tests: failed" in told
    assert "An earlier attempt" not in after.messages[1].text, "the conversation goes on without the hint"


def test_hints_take_what_else_a_repair_would_cost(journal: UnsyncedJournal, tmp_path: Path) -> None:
    processor = AsksScript(_by_temperature)
    budget = BudgetLimits(calls=4)
    memory_machine(processor, journal, candidates=9, candidate_hints=True, budget=budget).unit.run()

    purposes = [event.data["purpose"] for event in events(tmp_path, "request")]
    assert purposes == ["turn", "turn", "candidate", "candidate"]


def test_a_candidate_that_the_store_does_not_take_is_judged_by_what_it_takes(
    journal: UnsyncedJournal, tmp_path: Path
) -> None:
    clashing = says("FILE: a.py\n```\nA = 1  # BUG\n```\n\nFILE: a.py/b.py\n```\nB = 1\n```")
    made = scripted(journal, says(ONE_STEP), clashing, GREEN, DONE, candidates=2)

    assert made.unit.run() is Outcome.COMPLETED
    assert events(tmp_path, "candidates")[0].data["green"] == [False, True]
    assert made.keeper.files["a.py"] == b"A = 1\n"


def test_a_reply_that_only_reads_is_no_candidate(journal: UnsyncedJournal, tmp_path: Path) -> None:
    made = scripted(journal, says(ONE_STEP), says("LIST"), GREEN, DONE, candidates=2)

    assert made.unit.run() is Outcome.COMPLETED
    assert len(events(tmp_path, "candidates")) == 1


# Without its parts


def test_without_summaries_no_call_is_made_for_one(journal: UnsyncedJournal, tmp_path: Path) -> None:
    second = wrote(b="B = 1\n", test_b="def test_d(): ...\n")
    limits = MachineLimits(summaries=False)
    made = scripted(journal, says(TWO_STEPS), GREEN, DONE, second, DONE, limits=limits)

    assert made.unit.run() is Outcome.COMPLETED
    assert "a.py (6 bytes)" in events(tmp_path, "instruction_end")[0].data["summary"]


@pytest.mark.parametrize(
    ("written", "outcome"), [(GREEN, Outcome.COMPLETED), (RED, Outcome.CHECKS_FAILED)], ids=["green", "red"]
)
def test_without_an_evaluator_the_models_word_closes_and_one_report_gives_the_outcome(
    journal: UnsyncedJournal, tmp_path: Path, written: Reply, outcome: Outcome
) -> None:
    made = scripted(journal, says(ONE_STEP), written, DONE, limits=MachineLimits(evaluator=False))

    assert made.unit.run() is outcome
    assert len(events(tmp_path, "report")) == 1
    assert made.unit.report_at_hand is not None


# Evidence


def test_an_instruction_does_not_close_over_a_deleted_test_until_somebody_says_why(
    journal: UnsyncedJournal, tmp_path: Path
) -> None:
    shortened = wrote(b="B = 1\n", test_b="def test_d(): ...\n", test_a="def test_a(): ...\n")
    retired = says("RETIRE test_a.py::test_b it tested what the task does not ask for\n\nDONE")
    script = says(TWO_STEPS), GREEN, DONE, SUMMARY, shortened, DONE, retired
    made = scripted(journal, *script, weakened=weakened)

    assert made.unit.run() is Outcome.COMPLETED
    refusals = [event.data for event in events(tmp_path, "decision") if event.data["what"] == "RefuseFinish"]
    assert len(refusals) == 1
    assert "test_a.py::test_b was deleted" in refusals[0]["reason"]
    told = events(tmp_path, "test_retired")[0].data
    assert told == {"test": "test_a.py::test_b", "reason": "it tested what the task does not ask for"}


# What a turn costs


def test_a_turn_waits_for_the_disk_three_times(journal: UnsyncedJournal) -> None:
    made = scripted(journal, says(ONE_STEP), GREEN, DONE)
    made.unit.run()

    assert journal.syncs == 3 * made.conversation.budget.calls


# The plain loop


def looped(journal: UnsyncedJournal, *replies: Reply, **machine: Any) -> tuple[Outcome, MemoryMachine]:
    made = scripted(journal, *replies, **machine)
    outcome, _ = run_loop(made.setting, made.conversation, made.protocol, made.workspace, journal)
    return outcome, made


def test_the_loop_writes_and_reads_reports_until_it_is_green_and_done(journal: UnsyncedJournal) -> None:
    outcome, made = looped(journal, RED, GREEN, DONE)

    assert outcome is Outcome.COMPLETED
    assert made.conversation.budget.calls == 3


def test_the_loop_does_not_take_done_for_green(journal: UnsyncedJournal) -> None:
    limits = MachineLimits(turns=2, attempts=1)
    outcome, made = looped(journal, RED, DONE, limits=limits, most_instructions=1)

    assert outcome is Outcome.CHECKS_FAILED
    assert made.conversation.budget.calls == 2


def test_the_loop_goes_on_after_a_file_that_is_as_it_was_as_the_machine_does(
    journal: UnsyncedJournal,
) -> None:
    outcome, made = looped(journal, RED, wrote(test_a=TWO_TESTS, a="A = 1\n"), DONE)

    assert outcome is Outcome.COMPLETED
    assert made.conversation.budget.calls == 3


def test_the_loop_stops_at_its_budget(journal: UnsyncedJournal) -> None:
    assert looped(journal, RED, RED, budget=BudgetLimits(calls=1))[0] is Outcome.BUDGET_SPENT


def test_the_loop_drops_its_oldest_turns_when_the_window_is_full(journal: UnsyncedJournal) -> None:
    chatter = says("The counter counts from zero. " * 150)
    processor = RecordedProcessor([chatter, chatter, chatter, GREEN, DONE])
    made = memory_machine(processor, journal, context_tokens=5000)
    outcome, _ = run_loop(made.setting, made.conversation, made.protocol, made.workspace, journal)

    assert outcome is Outcome.COMPLETED
    assert max(len(request.messages) for request in processor.requests) < 2 + 2 * 4


# Replies that were cut


def cut(text: str) -> Reply:
    return Reply(text, Finish.LENGTH, Usage(100, 50))


HALF = cut(f"FILE: test_a.py\n```python\n{TWO_TESTS}```\n\nFILE: a.py\n```python\nA = 1\nB = A +")
REST = says("B = A + 1\nC = 3\n```\n\nDONE")


def test_a_reply_that_was_cut_within_a_file_is_asked_to_go_on_and_carried_out_whole(
    journal: UnsyncedJournal, tmp_path: Path
) -> None:
    processor = RecordedProcessor([says(ONE_STEP), HALF, REST])
    made = memory_machine(processor, journal, limits=MachineLimits(turns=2))
    outcome = made.unit.run()

    assert outcome is Outcome.COMPLETED
    assert made.keeper.files["a.py"] == b"A = 1\nB = A + 1\nC = 3\n"
    assert made.unit.state.turns == 2
    assert made.conversation.budget.calls == 3
    said, asked = processor.requests[2].messages[-2:]
    assert (said.text, asked.text.splitlines()[-1]) == (HALF.text, "B = A +")
    assert [event.data["joined"] for event in events(tmp_path, "continued")] == [True]


def test_the_conversation_goes_on_from_the_whole_reply(journal: UnsyncedJournal) -> None:
    processor = RecordedProcessor([says(ONE_STEP), HALF, says("B = A + 1\n```"), DONE])
    memory_machine(processor, journal).unit.run()
    said = processor.requests[3].messages[-2].text

    assert said.endswith("A = 1\nB = A + 1\n```")
    assert len(processor.requests[3].messages) == 4


def test_what_is_cut_again_is_not_written_and_asked_for_in_a_smaller_form(
    journal: UnsyncedJournal, tmp_path: Path
) -> None:
    processor = RecordedProcessor([says(ONE_STEP), HALF, cut("B = A + 1\nC = "), GREEN, DONE])
    made = memory_machine(processor, journal)
    outcome = made.unit.run()
    heard = processor.requests[3].messages[-1].text

    assert outcome is Outcome.COMPLETED
    assert "Your reply was cut within a.py, so it was not written." in heard
    assert "Wrote test_a.py" in heard
    assert made.keeper.files["a.py"] == b"A = 1\n"
    assert len(events(tmp_path, "continued")) == 1


def test_a_rest_that_does_not_fit_leaves_the_reply_as_it_was(
    journal: UnsyncedJournal, tmp_path: Path
) -> None:
    processor = RecordedProcessor([says(ONE_STEP), HALF, says("That is all."), GREEN, DONE])
    outcome = memory_machine(processor, journal).unit.run()

    assert outcome is Outcome.COMPLETED
    assert processor.requests[3].messages[-2].text == HALF.text
    assert [event.data["joined"] for event in events(tmp_path, "continued")] == [False]


def test_the_last_turn_of_a_window_is_not_continued(journal: UnsyncedJournal, tmp_path: Path) -> None:
    limits = MachineLimits(turns=1, attempts=1)
    made = scripted(journal, says(ONE_STEP), HALF, limits=limits)
    outcome = made.unit.run()

    assert outcome is Outcome.INSTRUCTION_GIVEN_UP
    assert list(made.keeper.files) == ["test_a.py"]
    assert events(tmp_path, "continued") == []


def test_a_rest_for_which_there_is_no_budget_loses_nothing_that_came_whole(
    journal: UnsyncedJournal,
) -> None:
    made = scripted(journal, says(ONE_STEP), HALF, budget=BudgetLimits(calls=2))
    outcome = made.unit.run()

    assert outcome is Outcome.BUDGET_SPENT
    assert made.keeper.files == {"test_a.py": TWO_TESTS.encode()}


def test_candidates_begin_with_a_reply_that_has_its_rest(journal: UnsyncedJournal) -> None:
    script = says(ONE_STEP), HALF, REST, wrote(a="A = 1  # BUG\n", test_a=TWO_TESTS)
    made = scripted(journal, *script, candidates=2)
    outcome = made.unit.run()

    assert outcome is Outcome.COMPLETED
    assert made.keeper.files["a.py"] == b"A = 1\nB = A + 1\nC = 3\n"


# What the model is told


def test_a_second_red_report_says_what_changed(journal: UnsyncedJournal) -> None:
    processor = RecordedProcessor([says(ONE_STEP), RED, WORSE, GREEN, DONE])
    memory_machine(processor, journal).unit.run()

    assert "tests: 1 new faults, 0 gone, 2 as before" in processor.requests[3].messages[-1].text


@pytest.mark.parametrize(
    ("edits", "asked"),
    [
        ((), "Change a few lines by SEARCH and REPLACE"),
        ((EditForm.WHOLE,), "Begin your reply with the line `FILE: <path>` of the file that you correct"),
        ((EditForm.WHOLE, EditForm.REPLACE), "Change a few lines by SEARCH and REPLACE"),
    ],
    ids=["as suits the protocol", "whole", "replace"],
)
def test_corrections_are_asked_for_in_the_form_that_is_offered(
    journal: UnsyncedJournal, edits: tuple[EditForm, ...], asked: str
) -> None:
    processor = RecordedProcessor([says(ONE_STEP), RED, says("LIST"), GREEN, DONE])
    memory_machine(processor, journal, edits=edits).unit.run()
    opening, red, still_red = (request.messages[-1].text for request in processor.requests[1:4])

    assert "Write each file, whole" in opening
    assert asked in red
    assert asked in still_red


def test_a_step_whose_files_are_there_already_is_not_asked_to_write_them_whole(
    journal: UnsyncedJournal,
) -> None:
    program = f"{ONE_STEP}\n2. Add B to a.py. (files: a.py)"
    more = wrote(a="A = 1\nB = 2\n")
    processor = RecordedProcessor([says(program), GREEN, DONE, SUMMARY, more, DONE])
    outcome = memory_machine(processor, journal).unit.run()
    first, second = (processor.requests[number].messages[1].text for number in (1, 4))

    assert outcome is Outcome.COMPLETED
    assert first.rstrip().endswith("then its content in a fenced block.")
    assert second.rstrip().endswith("a new file, or one of which most changes, is written whole.")


def test_long_replacements_stand_beside_the_journal(journal: UnsyncedJournal, tmp_path: Path) -> None:
    old, new = "A = 1  # BUG\n", "A = 1\n" + "# a remark\n" * 100
    edit = says(f"FILE: a.py\n```\n<<<<<<< SEARCH\n{old}=======\n{new}>>>>>>> REPLACE\n```")
    scripted(journal, says(ONE_STEP), RED, edit, DONE).unit.run()
    kept = next(
        event.data["arguments"]["replacements"]
        for event in events(tmp_path, "observation")
        if event.data["action"] == "edit"
    )

    assert json.loads(read_blob(tmp_path, kept["sha256"])) == [{"search": old, "replace": new}]
