"""Acceptance of the task `stack-queue`: each test names the requirement that it judges.

The module is imported inside the tests, so that a missing class fails only the tests that use it.
"""

from typing import Any

import pytest


def stack_of(*items: object) -> Any:
    from stack_queue import Stack

    stack = Stack()
    for item in items:
        stack.push(item)
    return stack


def queue_of(*items: object) -> Any:
    from stack_queue import Queue

    queue = Queue()
    for item in items:
        queue.enqueue(item)
    return queue


def test_requirement_1_a_new_stack_and_a_new_queue_are_empty() -> None:
    assert len(stack_of()) == 0
    assert len(queue_of()) == 0


def test_requirement_2_push_returns_none_and_puts_the_item_on_top() -> None:
    stack = stack_of("a")

    assert stack.push("b") is None
    assert stack.pop() == "b"


def test_requirement_3_items_are_popped_in_reverse_order() -> None:
    stack = stack_of(1, 2, 3)

    assert [stack.pop(), stack.pop(), stack.pop()] == [3, 2, 1]


def test_requirement_3_a_push_between_two_pops_is_popped_next() -> None:
    stack = stack_of(1, 2)

    assert stack.pop() == 2
    stack.push(3)
    assert [stack.pop(), stack.pop()] == [3, 1]


def test_requirement_4_peek_returns_the_top_and_leaves_it_on_the_stack() -> None:
    stack = stack_of("a", "b")

    assert [stack.peek(), stack.peek()] == ["b", "b"]
    assert [stack.pop(), stack.pop()] == ["b", "a"]


def test_requirement_5_an_empty_stack_raises_index_error_on_pop() -> None:
    stack = stack_of("only")
    stack.pop()

    with pytest.raises(IndexError):
        stack.pop()


def test_requirement_5_an_empty_stack_raises_index_error_on_peek() -> None:
    stack = stack_of()

    with pytest.raises(IndexError):
        stack.peek()


def test_requirement_6_enqueue_returns_none_and_puts_the_item_at_the_back() -> None:
    queue = queue_of("a")

    assert queue.enqueue("b") is None
    assert [queue.dequeue(), queue.dequeue()] == ["a", "b"]


def test_requirement_7_items_are_dequeued_in_the_order_they_came() -> None:
    queue = queue_of(1, 2)

    assert queue.dequeue() == 1
    queue.enqueue(3)
    assert [queue.dequeue(), queue.dequeue()] == [2, 3]


def test_requirement_8_peek_returns_the_front_and_leaves_it_in_the_queue() -> None:
    queue = queue_of("a", "b")

    assert [queue.peek(), queue.peek()] == ["a", "a"]
    assert [queue.dequeue(), queue.dequeue()] == ["a", "b"]


def test_requirement_9_an_empty_queue_raises_index_error_on_dequeue() -> None:
    queue = queue_of("only")
    queue.dequeue()

    with pytest.raises(IndexError):
        queue.dequeue()


def test_requirement_9_an_empty_queue_raises_index_error_on_peek() -> None:
    queue = queue_of()

    with pytest.raises(IndexError):
        queue.peek()


def test_requirement_10_is_empty_of_a_stack_follows_its_items() -> None:
    stack = stack_of()

    assert stack.is_empty() is True
    stack.push(0)
    assert stack.is_empty() is False
    stack.pop()
    assert stack.is_empty() is True


def test_requirement_10_is_empty_of_a_queue_follows_its_items() -> None:
    queue = queue_of()

    assert queue.is_empty() is True
    queue.enqueue(0)
    assert queue.is_empty() is False
    queue.dequeue()
    assert queue.is_empty() is True


def test_requirement_11_the_length_falls_with_each_item_removed() -> None:
    stack, queue = stack_of(1, 2, 3), queue_of(1, 2, 3)
    stack.pop()
    queue.dequeue()

    assert (len(stack), len(queue)) == (2, 2)


def test_requirement_12_none_is_an_item_like_any_other() -> None:
    stack, queue = stack_of(None), queue_of(None)

    assert (stack.peek(), queue.peek()) == (None, None)
    assert (stack.pop(), queue.dequeue()) == (None, None)


def test_requirement_12_two_stacks_or_two_queues_share_no_items() -> None:
    full = (stack_of(1), queue_of(1))

    assert (len(stack_of()), len(queue_of())) == (0, 0)
    assert (len(full[0]), len(full[1])) == (1, 1)
