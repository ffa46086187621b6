"""The subject's side: imports the generated modules and does with their objects what the judge asks.

Everything here runs beside generated code and is only as honest as that is: the judge takes its answers for
claims about values, and compares them itself.
"""

from __future__ import annotations

import asyncio
import copy
import importlib
import os
import sys
import threading
import types
from collections.abc import Callable, Mapping
from typing import Any

from .frames import Frame, FrameError
from .known_types import name_of, type_named
from .link import Link
from .plain_values import PLAIN_COPIES, Codec, NotPlain
from .special_names import SPECIAL_NAMES, mask_of, mro_of
from .subject_programs import ProgramFault, Programs
from .suite_objects import SUITE_ERROR, CallbackError, SuiteObject, suite_object

TEXT_CHARACTERS = 10_000
_CAUSES = 5

_CONTENTS: Mapping[type, Callable[[Any], Any]] = {
    list: lambda value: list.__getitem__(value, slice(None)),
    dict: lambda value: dict(dict.items(value)),
    set: lambda value: set(set.__iter__(value)),
    bytearray: lambda value: bytearray(bytearray.__add__(value, b"")),
}
"""The same of what can change: it stays here, and is compared by its contents."""


def main() -> None:
    """Answer the judge over the descriptor that the one argument names, until it closes its end."""
    descriptor = int(sys.argv[1])
    os.set_inheritable(descriptor, False)
    folder = os.getcwd()
    sys.path[:0] = [path for path in (folder, f"{folder}/src") if os.path.isdir(path)]
    sys.argv = ["subject"]
    SubjectServer(Link(descriptor), Programs(folder, os.environ.copy())).serve()


class SubjectServer:
    """Objects of the subject by number, and the judge's requests on them."""

    def __init__(self, link: Link, programs: Programs) -> None:
        self._link = link
        self._programs = programs
        self._codec = Codec(self._describe, self._resolve)
        self._objects: dict[int, object] = {}
        self._sent: dict[int, int] = {}
        """How often each number went out: what the judge gives back may cross with what is sent."""
        self._numbers: dict[int, int] = {}
        """By identity; what is in `_objects` lives, so its identity is not used again."""
        self._last_number = 0
        self._last_callback = 0
        # Who reads: the loop, or whoever waits for the suite. Threads of the subject may call back too.
        self._reading = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def serve(self) -> None:
        """The loop."""
        while True:
            with self._reading:
                request = self._receive()
            self._answer(request)

    def _receive(self) -> Frame:
        try:
            frame = self._link.receive()
        except (OSError, FrameError):
            frame = None
        if frame is None:
            # The judge is gone; no exit handler of the subject's delays the end.
            os._exit(0)
        return frame

    def _answer(self, request: Frame) -> None:
        answer: Frame = {"id": request["id"]}
        try:
            for number, times in request.get("drop", ()):
                self._forget(number, times)
            answer["value"] = self._codec.encode(self._carried_out(request))
        except (NotPlain, ProgramFault) as error:
            answer["fault"] = str(error)
        except BaseException as error:
            # Whatever generated code raises is its answer.
            answer["error"] = self._error(error)
        try:
            self._link.send(answer)
        except (FrameError, RecursionError) as error:
            self._link.send({"id": request["id"], "fault": str(error)})

    def _carried_out(self, request: Frame) -> object:
        match request:
            case {"op": "special", "of": of, "name": name, "args": args, "named": named}:
                values = [self._codec.decode(value) for value in args]
                keywords = {key: self._codec.decode(value) for key, value in named.items()}
                return _special(self._objects[of], name, values, keywords)
            case {"op": "get", "of": of, "name": name}:
                return getattr(self._objects[of], name)
            case {"op": "set", "of": of, "name": name, "value": value}:
                setattr(self._objects[of], name, self._codec.decode(value))
                return None
            case {"op": "delete", "of": of, "name": name}:
                delattr(self._objects[of], name)
                return None
            case {"op": "import", "name": name}:
                module = importlib.import_module(name)
                public = getattr(module, "__all__", None) or [key for key in vars(module) if key[:1] != "_"]
                return (_Held(module), hasattr(module, "__path__"), [str(key) for key in public])
            case {"op": "await", "of": of}:
                return self._awaited(self._objects[of])
            case {"op": "kinds", "of": of}:
                return self._ancestors(type(self._objects[of]))
            case {"op": "ancestors", "of": of}:
                return self._ancestors(self._objects[of])
            case {"op": "contents", "of": of}:
                return self._contents(self._objects[of])
            case {"op": "dir", "of": of}:
                return [str(name) for name in dir(self._objects[of])]
            case {"op": "hold", "value": value}:
                return _Held(self._codec.decode(value))
            case {"op": "program", **fields}:
                return self._programs.carried_out(fields)
            case _:
                raise NotPlain("the judge asked for what nobody knows")

    def _awaited(self, awaitable: Any) -> object:
        async def finished() -> object:
            return await awaitable

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
        return self._loop.run_until_complete(finished())

    def _ancestors(self, kind: object) -> list[int]:
        # The judge keeps the numbers, so they count as sent.
        return [self._number(ancestor)["id"] for ancestor in mro_of(kind)]

    def _contents(self, value: object) -> object:
        return next(copied(value) for base, copied in _CONTENTS.items() if isinstance(value, base))

    def _describe(self, value: object) -> Frame:
        kind = type(value)
        if kind is _Held:
            return self._handle(value.value)  # type: ignore[attr-defined]
        if issubclass(kind, SuiteObject):
            return {"$": "suite", "id": value._lmac_number}  # type: ignore[attr-defined]
        if issubclass(kind, type):
            return self._class(value)  # type: ignore[arg-type]
        if issubclass(kind, BaseException):
            return self._error(value)  # type: ignore[arg-type]
        for base, copied in PLAIN_COPIES.items():
            if issubclass(kind, base):
                plain = self._codec.encode(copied(value))
                return self._number(value) | {"$": "value", "mask": mask_of(kind, base), "v": plain}
        if issubclass(kind, types.CoroutineType):
            return self._number(value) | {"$": "coroutine"}
        return self._handle(value)

    def _handle(self, value: object) -> Frame:
        base = next((base.__name__ for base in _CONTENTS if isinstance(value, base)), "")
        name = {"name": type(value).__name__[:200]}
        return self._number(value) | {"$": "handle", "mask": mask_of(type(value)), "base": base} | name

    def _class(self, kind: type) -> Frame:
        if (name := name_of(kind)) is not None:
            return {"$": "known", "v": name}
        if issubclass(kind, BaseException):
            bases = [self._class(base) for base in kind.__bases__]
            return self._number(kind) | {"$": "error-class", "name": kind.__name__[:200], "bases": bases}
        mask = mask_of(type(kind))
        if hasattr(kind, "__class_getitem__"):
            mask |= 1 << SPECIAL_NAMES.index("__getitem__")
        return self._number(kind) | {"$": "class", "mask": mask}

    def _error(self, error: BaseException, causes: int = _CAUSES) -> Frame:
        if (own := error.__dict__.get(SUITE_ERROR)) is not None:
            return {"$": "suite-error", "number": own}
        cause = error.__cause__
        return self._number(error) | {
            "$": "error",
            "class": self._class(type(error)),
            "args": [self._argument(argument) for argument in error.args[:50]],
            "text": _text_of(error),
            "cause": self._error(cause, causes - 1) if cause is not None and causes else None,
        }

    def _argument(self, value: object) -> Any:
        try:
            return self._codec.encode(value)
        except NotPlain:
            return repr(type(value))

    def _number(self, value: object) -> Frame:
        number = self._numbers.get(id(value))
        if number is None:
            self._last_number = number = self._last_number + 1
            self._numbers[id(value)] = number
            self._objects[number] = value
        self._sent[number] = self._sent.get(number, 0) + 1
        return {"id": number}

    def _forget(self, number: int, times: int) -> None:
        self._sent[number] -= times
        if not self._sent[number]:
            del self._sent[number]
            del self._numbers[id(self._objects.pop(number))]

    def _resolve(self, mark: Frame) -> object:
        match mark:
            case {"$": "object", "id": number}:
                return self._objects[number]
            case {"$": "known", "v": name}:
                return type_named(name)
            case {"$": "by-name", "module": module, "name": name}:
                return getattr(importlib.import_module(module), name)
            case {"$": "suite", "id": number, "methods": methods}:
                return suite_object(number, frozenset(methods), self._asked)
            case {"$": "error", "class": kind, "args": args}:
                return self._codec.decode(kind)(*[self._codec.decode(argument) for argument in args])
            case _:
                raise NotPlain("the judge sent a mark that nobody knows")

    def _asked(self, number: int, name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Let the suite do it; requests that it makes meanwhile are answered here."""
        asked = {
            "of": number,
            "name": name,
            "args": [self._codec.encode(argument) for argument in arguments],
            "named": {key: self._codec.encode(value) for key, value in named.items()},
        }
        with self._reading:
            self._last_callback = callback = self._last_callback + 1
            self._link.send({"callback": callback, **asked})
            while (frame := self._receive()).get("reply") != callback:
                self._answer(frame)
        if "error" in frame:
            raise self._raised(frame["error"])
        return self._codec.decode(frame["value"])

    def _raised(self, error: Frame) -> BaseException:
        """The suite's error, of its own class where both sides have that."""
        try:
            raised = self._codec.decode(error["error"])
        except (NotPlain, TypeError):
            raised = None
        own = raised if isinstance(raised, Exception) else CallbackError(str(error["text"]))
        own.__dict__[SUITE_ERROR] = error["number"]
        return own


class _Held:
    """A value that shall travel as a handle, plain or not."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


def _special(value: Any, name: str, arguments: list[Any], named: dict[str, Any]) -> object:
    match name:
        case "__call__":
            return value(*arguments, **named)
        case "__getitem__":
            # A class may be subscripted without a method of its own type.
            return value[arguments[0]]
        case "__copy__":
            return copy.copy(value)
        case "__deepcopy__":
            return copy.deepcopy(value)
        case _:
            return getattr(type(value), name)(value, *arguments)


def _text_of(error: BaseException) -> str:
    try:
        return str.__str__(str(error))[:TEXT_CHARACTERS]
    except Exception as another:
        return f"<its text raises {type(another).__name__}>"
