"""Work beside other work: its result, its error, and its end before time."""

from __future__ import annotations

import threading

import pytest

from lmac.evaluator.errand import CalledOff, Errand, Grip


class Box:
    """Blocks its user until somebody closes it, as a box does whose job runs long."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()

    def run(self) -> None:
        self.entered.set()
        assert self.closed.wait(5)
        raise ConnectionError("the box is gone")


def test_the_result_comes_back() -> None:
    with Errand(lambda grip: 7) as errand:
        assert errand.result() == 7


def test_an_error_is_raised_where_the_result_is_asked_for() -> None:
    def failing(grip: Grip) -> None:
        raise ValueError("no")

    with Errand(failing) as errand, pytest.raises(ValueError, match="no"):
        errand.result()


def test_work_that_is_called_off_ends_with_its_box_and_as_what_it_is() -> None:
    box = Box()
    errors: list[BaseException] = []

    def work(grip: Grip) -> None:
        try:
            with grip.on(box):
                box.run()
        except CalledOff as error:
            errors.append(error)

    with Errand(work):
        box.entered.wait(5)
    box.closed.wait(5)

    deadline = threading.Event()
    while not errors and not deadline.wait(0.01):
        pass
    assert isinstance(errors[0], CalledOff)


def test_work_that_was_called_off_before_does_not_begin() -> None:
    grip = Grip()
    grip.call_off()

    with pytest.raises(CalledOff), grip.on(Box()):
        pytest.fail("it began")


def test_an_interruption_beside_it_calls_it_off() -> None:
    box = Box()

    def work(grip: Grip) -> None:
        with grip.on(box):
            box.run()

    def interrupted() -> None:
        with Errand(work):
            box.entered.wait(5)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert box.closed.wait(5)
