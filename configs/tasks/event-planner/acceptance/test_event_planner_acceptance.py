"""Acceptance of the task `event-planner`: each test names the requirement that it judges.

The module is imported inside the tests, so that one that cannot be imported fails tests and never the
collection.
"""

from typing import Any

import pytest

REFUSAL = ValueError
"""The task states the type alone, so there is no message to match."""


def new_planner() -> Any:
    from event_planner import Planner

    return Planner()


def one_event(*guests: str) -> Any:
    """A planner with event 1, from 12 to 14 in the garden."""
    planner = new_planner()
    planner.add_event("Lunch", 12, 14, place="Garden")
    for guest in guests:
        planner.invite(1, guest)
    return planner


def test_requirement_1_events_are_numbered_from_one() -> None:
    planner = new_planner()

    assert planner.events() == []
    assert [planner.add_event("A", 1, 2), planner.add_event("B", 1, 2)] == [1, 2]


def test_requirement_1_an_id_is_never_used_again() -> None:
    planner = one_event()
    planner.remove(1)

    assert planner.add_event("Dinner", 18, 20) == 2


@pytest.mark.parametrize(("name", "start", "end"), [("", 1, 2), ("  ", 1, 2), ("A", 2, 2), ("A", 3, 2)])
def test_requirement_2_a_wrong_event_uses_no_id(name: str, start: int, end: int) -> None:
    planner = new_planner()

    with pytest.raises(REFUSAL):
        planner.add_event(name, start, end)
    assert planner.add_event("B", 1, 2) == 1


@pytest.mark.parametrize(("start", "end"), [(13, 15), (11, 13), (12.5, 13), (11, 15)])
def test_requirement_3_a_place_holds_one_event_at_a_time(start: float, end: float) -> None:
    planner = one_event()

    with pytest.raises(REFUSAL):
        planner.add_event("Walk", start, end, place="Garden")
    assert planner.add_event("Walk", start, end, place="Hall") == 2


def test_requirement_3_events_that_touch_do_not_overlap() -> None:
    planner = one_event()

    assert planner.add_event("Before", 10, 12, place="Garden") == 2
    assert planner.add_event("After", 14, 15, place="Garden") == 3


def test_requirement_3_events_without_a_place_may_overlap() -> None:
    planner = new_planner()
    planner.add_event("A", 1, 5)

    assert planner.add_event("B", 2, 3) == 2


def test_requirement_4_an_event_is_told_in_full() -> None:
    assert one_event().get(1) == {"id": 1, "name": "Lunch", "start": 12, "end": 14, "place": "Garden"}


def test_requirement_5_a_removed_event_is_gone_and_its_place_free() -> None:
    planner = one_event()

    assert planner.remove(1) is None
    assert planner.events() == []
    assert planner.add_event("Walk", 12, 14, place="Garden") == 2


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("get", ()),
        ("remove", ()),
        ("move", (1, 2)),
        ("invite", ("ada",)),
        ("guests", ()),
        ("respond", ("ada", "yes")),
        ("set_capacity", (1,)),
        ("attending", ()),
    ],
)
def test_requirement_6_an_unknown_event_is_refused(method: str, arguments: tuple[Any, ...]) -> None:
    planner = one_event("ada")

    with pytest.raises(KeyError):
        getattr(planner, method)(7, *arguments)


def test_requirement_7_events_are_in_the_order_of_their_start() -> None:
    planner = new_planner()
    for start in (5, 1, 5, 3):
        planner.add_event("A", start, start + 1)

    assert planner.events() == [2, 4, 1, 3]


def test_requirement_8_events_are_found_by_time() -> None:
    planner = new_planner()
    for start, end in ((5, 6), (1, 2), (3, 9)):
        planner.add_event("A", start, end)

    assert planner.between(2, 5.5) == [3, 1]
    assert planner.between(2, 3) == []


def test_requirement_9_an_event_moves_even_over_its_old_time() -> None:
    planner = one_event()

    assert planner.move(1, 13, 15) is None
    assert (planner.get(1)["start"], planner.get(1)["end"]) == (13, 15)


def test_requirement_9_a_move_that_is_refused_changes_nothing() -> None:
    planner = one_event()
    planner.add_event("Walk", 15, 16, place="Garden")

    for start, end in ((15, 17), (9, 9)):
        with pytest.raises(REFUSAL):
            planner.move(1, start, end)
    assert (planner.get(1)["start"], planner.get(1)["end"]) == (12, 14)


def test_requirement_10_a_guest_is_invited_once() -> None:
    planner = one_event()

    assert planner.guests(1) == {}
    assert planner.invite(1, "ada") is None
    planner.respond(1, "ada", "no")
    planner.invite(1, "ada")
    planner.invite(1, "bob")
    assert planner.guests(1) == {"ada": "no", "bob": "invited"}


def test_requirement_11_the_last_answer_counts() -> None:
    planner = one_event("ada")

    assert planner.respond(1, "ada", "maybe") is None
    planner.respond(1, "ada", "yes")
    assert planner.guests(1) == {"ada": "yes"}


def test_requirement_11_a_wrong_answer_or_guest_is_refused() -> None:
    planner = one_event("ada")

    with pytest.raises(REFUSAL):
        planner.respond(1, "ada", "perhaps")
    with pytest.raises(KeyError):
        planner.respond(1, "bob", "yes")
    assert planner.guests(1) == {"ada": "invited"}


def test_requirement_12_no_more_guests_come_than_there_are_seats() -> None:
    planner = one_event("ada", "bob")

    assert planner.set_capacity(1, 1) is None
    planner.respond(1, "ada", "yes")
    planner.respond(1, "bob", "maybe")
    with pytest.raises(REFUSAL):
        planner.respond(1, "bob", "yes")
    assert planner.guests(1) == {"ada": "yes", "bob": "maybe"}


def test_requirement_12_a_seat_is_free_again_and_one_guest_takes_one_seat() -> None:
    planner = one_event("ada", "bob")
    planner.set_capacity(1, 1)
    planner.respond(1, "ada", "yes")

    planner.respond(1, "ada", "yes")
    planner.respond(1, "ada", "no")
    planner.respond(1, "bob", "yes")

    assert planner.attending(1) == ["bob"]


def test_requirement_13_those_who_come_are_in_alphabetical_order() -> None:
    planner = one_event("cy", "ada", "bob")
    for guest, answer in (("cy", "yes"), ("ada", "yes"), ("bob", "no")):
        planner.respond(1, guest, answer)

    assert planner.attending(1) == ["ada", "cy"]


def test_requirement_14_a_guest_who_comes_is_not_free() -> None:
    planner = one_event("ada", "bob")
    planner.respond(1, "ada", "yes")
    planner.respond(1, "bob", "maybe")

    assert planner.is_free("ada", 13, 15) is False
    assert planner.is_free("ada", 14, 15) is True
    assert planner.is_free("bob", 13, 15) is True
    assert planner.is_free("stranger", 13, 15) is True


def test_requirement_15_the_next_event_is_the_earliest_that_is_not_over() -> None:
    planner = new_planner()
    for start in (9, 5, 7):
        planner.add_event("A", start, start + 1)

    assert (planner.next_event(0), planner.next_event(7), planner.next_event(7.5)) == (2, 3, 1)
    assert planner.next_event(10) is None


def test_requirement_16_lengths_of_accepted_events_are_summed() -> None:
    planner = one_event("ada")
    planner.add_event("Dinner", 18, 19.5)
    planner.add_event("Party", 20, 24)
    planner.invite(2, "ada")
    planner.invite(3, "ada")
    for event, answer in ((1, "yes"), (2, "yes"), (3, "no")):
        planner.respond(event, "ada", answer)

    assert planner.total_time("ada") == 3.5
    assert planner.total_time("bob") == 0
