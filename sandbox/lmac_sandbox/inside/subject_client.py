"""The judge's side of the link: asks the subject, and believes nothing but the shape of its answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from .frames import Frame, FrameError
from .link import Link
from .plain_values import Codec, NotPlain
from .raised import RaisedErrors
from .shown import ShownObjects
from .special_names import WITH_OPERAND

_NESTED = 100
"""Calls and callbacks within each other."""
_FAULT_CHARACTERS = 500


class SubjectBroken(BaseException):
    """The subject's process is gone, or spoke what no subject server speaks.

    No `Exception`: a test that expects any error must not take it for one.
    """


class SubjectClient:
    """Requests to the subject's process, and its callbacks into the suite.

    Args:
        proxy: The judge's object for a mark of the subject.
        described: The mark of a proxy that goes back; None of anything else.
    """

    def __init__(
        self,
        link: Link,
        proxy: Callable[[SubjectClient, Frame], object],
        described: Callable[[object], Frame | None],
    ) -> None:
        self._link = link
        self._proxy = proxy
        self._described = described
        self.codec = Codec(self._describe, self._resolve)
        self._shown = ShownObjects(self.codec)
        self._raised = RaisedErrors(self)
        # One request at a time; the suite may have threads.
        self._asking = threading.RLock()
        self._depth = 0
        self._last_id = 0
        self._dropped: list[tuple[int, int]] = []
        self.faults: list[str] = []
        """What the subject did that no test may survive; the first one is told."""
        self.is_dead = False
        """Nothing can be asked any more."""
        self.answered_operators = 0
        """Comparisons, sums and looks into an object that the subject did itself, operand in hand."""

    def drop(self, number: int, times: int) -> None:
        """The judge has no more use for an object that came so many times; told with the next request."""
        self._dropped.append((number, times))

    def ask(self, op: str, **fields: Any) -> Any:
        """The subject's answer to one request; what it raises is raised here.

        Raises:
            SubjectBroken: there is no believable answer.
        """
        with self._asking:
            answer = self._exchange({"op": op, **fields})
        if "fault" in answer:
            raise self.fault(f"the subject gave no value: {_short(answer['fault'])}")
        if "error" in answer:
            error = self._raised.error(answer["error"])
            if isinstance(error, StopIteration) and fields.get("name") != "__next__":
                # As generators do: a `map` of the suite's would end before anything is compared.
                raise RuntimeError("the subject raised StopIteration") from error
            raise error
        return self._decoded(answer.get("value"))

    def special(
        self, of: int, name: str, args: tuple[Any, ...] = (), named: dict[str, Any] | None = None
    ) -> Any:
        """Call a special method of an object of the subject."""
        if name in WITH_OPERAND:
            self.answered_operators += 1
        encode = self.codec.encode
        return self.ask(
            "special",
            of=of,
            name=name,
            args=[encode(value) for value in args],
            named={key: encode(value) for key, value in (named or {}).items()},
        )

    def fault(self, reason: str, dead: bool = False) -> SubjectBroken:
        """Note what the subject did; the running test fails by it, whatever it catches."""
        self.faults.append(reason)
        self.is_dead = self.is_dead or dead
        return SubjectBroken(reason)

    def _exchange(self, request: Frame) -> Frame:
        if self.is_dead:
            raise SubjectBroken(self.faults[0])
        if self._depth >= _NESTED:
            raise self.fault("the subject nests calls too deeply", dead=True)
        self._last_id = number = self._last_id + 1
        dropped, self._dropped = self._dropped, []
        self._depth += 1
        try:
            self._link.send({"id": number, **request, "drop": dropped})
            while "callback" in (frame := self._receive()):
                self._link.send({"reply": frame["callback"], **self._shown.called(frame, self._raised)})
        except FrameError as error:
            raise self.fault(f"the exchange broke: {error}", dead=True) from error
        except OSError as error:
            raise self.fault("the subject's process is gone", dead=True) from error
        finally:
            self._depth -= 1
        if frame.get("id") != number:
            raise self.fault("the subject answered what was not asked", dead=True)
        return frame

    def _receive(self) -> Frame:
        frame = self._link.receive()
        if frame is None:
            raise self.fault("the subject's process is gone", dead=True)
        return frame

    def _decoded(self, value: object) -> Any:
        try:
            return self.codec.decode(value)
        except NotPlain as error:
            raise self.fault(f"the subject sent no value: {error}", dead=True) from error

    def _describe(self, value: object) -> Frame:
        return self._described(value) or self._raised.described(value) or self._shown.described(value)

    def _resolve(self, mark: Frame) -> object:
        match mark:
            case {"$": "suite", "id": int(number)}:
                return self._shown.object(number)
            case {"$": "known" | "error-class" | "error" | "suite-error"}:
                return self._raised.resolved(mark)
            case _:
                return self._proxy(self, mark)


def _short(text: object) -> str:
    return text[:_FAULT_CHARACTERS] if isinstance(text, str) else "it does not say why"
