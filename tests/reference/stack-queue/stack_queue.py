"""Reference solution of the task `stack-queue`."""

from collections import deque


class Stack:
    """Last in, first out."""

    def __init__(self) -> None:
        self._items: list[object] = []

    def push(self, item: object) -> None:
        self._items.append(item)

    def pop(self) -> object:
        """Raises IndexError on an empty stack, as the list does."""
        return self._items.pop()

    def peek(self) -> object:
        """Raises IndexError on an empty stack, as the list does."""
        return self._items[-1]

    def is_empty(self) -> bool:
        return not self._items

    def __len__(self) -> int:
        return len(self._items)


class Queue:
    """First in, first out."""

    def __init__(self) -> None:
        self._waiting: deque[object] = deque()

    def enqueue(self, item: object) -> None:
        self._waiting.append(item)

    def dequeue(self) -> object:
        """Raises IndexError on an empty queue, as the deque does."""
        return self._waiting.popleft()

    def peek(self) -> object:
        """Raises IndexError on an empty queue, as the deque does."""
        return self._waiting[0]

    def is_empty(self) -> bool:
        return not self._waiting

    def __len__(self) -> int:
        return len(self._waiting)
