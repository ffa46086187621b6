"""Errors of the subject in the judge: known classes by name, the subject's own as mirrored classes.

What ends a program or a session (`SystemExit`, pytest's outcomes) arrives as `SubjectError`, a plain error:
the subject can neither skip a test nor stop the session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .frames import Frame
from .known_types import name_of, type_named
from .plain_values import NotPlain

if TYPE_CHECKING:
    from .subject_client import SubjectClient

TEXT_CHARACTERS = 20_000
_NAME_CHARACTERS = 200
_BASES = 20
_NOTED = 1_000
"""Errors of the suite that are kept while they are on their way through the subject."""


class SubjectError(Exception):
    """An error of the subject whose class derives from no ordinary error."""


class _Mirrored(type):
    """Class of mirrored classes: what they do not have themselves, the subject is asked for."""

    _lmac_client: SubjectClient
    _lmac_id: int

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{cls.__name__} shows no {name!r}")
        return cls._lmac_client.ask("get", of=cls._lmac_id, name=name)


class RaisedErrors:
    """Makes the judge's errors out of the subject's, and marks out of the suite's."""

    def __init__(self, client: SubjectClient) -> None:
        self._client = client
        self._mirrored: dict[int, type[Exception]] = {}
        self._noted: dict[int, BaseException] = {}
        self._last_noted = 0

    def error(self, mark: object) -> BaseException:
        """The error to raise for one of the subject's.

        Raises:
            SubjectBroken: it is none.
        """
        try:
            error = self._client.codec.decode(mark)
        except NotPlain as fault:
            raise self._client.fault(f"the subject raised no error: {fault}", dead=True) from fault
        if not isinstance(error, BaseException):
            raise self._client.fault("the subject raised what is no error", dead=True)
        return error

    def resolved(self, mark: Frame) -> object:
        """Class or error of one mark.

        Raises:
            NotPlain: the mark says nothing.
        """
        match mark:
            case {"$": "known", "v": str(name)}:
                return type_named(name)
            case {"$": "error-class", "id": int(number), "name": str(name), "bases": list(bases)}:
                return self._mirror(number, name, bases)
            case {"$": "suite-error", "number": int(number)} if number in self._noted:
                return self._noted[number]
            case {"$": "error", "id": int(number), "class": kind, "args": list(args), "text": str(text)}:
                made = self._made(kind, args, text[:TEXT_CHARACTERS])
                cause = mark.get("cause")
                made.__cause__ = self._client.codec.decode(cause) if cause is not None else None
                if hasattr(made, "_lmac_text"):
                    made._lmac_error = number
                return made
            case _:
                raise NotPlain("an error without its fields")

    def described(self, value: object) -> Frame | None:
        """The mark of an error, or of a class of errors, that goes to the subject."""
        if isinstance(value, _Mirrored):
            return {"$": "object", "id": value._lmac_id}
        if isinstance(value, type):
            name = name_of(value)
            return {"$": "known", "v": name} if name is not None else None
        if not isinstance(value, Exception):
            return None
        kind = self.described(type(value))
        if kind is None:
            return None
        encode = self._client.codec.encode
        return {"$": "error", "class": kind, "args": [encode(argument) for argument in value.args]}

    def noted(self, error: BaseException) -> Frame:
        """An error of the suite's, to be raised within the subject; it is itself again when it comes back."""
        self._last_noted += 1
        self._noted[self._last_noted] = error
        self._noted.pop(self._last_noted - _NOTED, None)
        if isinstance(error, AssertionError) or not isinstance(error, Exception):
            # Its text says what the suite expects.
            return {"number": self._last_noted, "error": self.described(AssertionError()), "text": ""}
        return {
            "number": self._last_noted,
            "error": self._mark_or_none(error),
            "text": str(error)[:TEXT_CHARACTERS],
        }

    def _mark_or_none(self, error: BaseException) -> Frame | None:
        try:
            return self.described(error)
        except NotPlain:
            return None

    def _made(self, kind: object, args: list[Any], text: str) -> Any:
        cls = self._client.codec.decode(kind)
        if not (isinstance(cls, type) and issubclass(cls, Exception)):
            raise NotPlain("the class of an error is none")
        arguments = [self._client.codec.decode(argument) for argument in args]
        try:
            made = cls(*arguments)
        except (TypeError, ValueError):
            made = cls.__new__(cls)
            made.args = tuple(arguments)
        if isinstance(type(made), _Mirrored):
            made._lmac_text = text  # type: ignore[attr-defined]
        return made

    def _mirror(self, number: int, name: str, bases: list[Any]) -> type[Exception]:
        if number in self._mirrored:
            return self._mirrored[number]
        if len(name) > _NAME_CHARACTERS or len(bases) > _BASES:
            raise NotPlain("a class of errors has too long a name or too many bases")
        found = [self._base(base) for base in bases]
        parents = tuple(dict.fromkeys(base for base in found if base is not None)) or (SubjectError,)
        namespace = {"__module__": "subject", "__str__": _text_of, "__getattr__": self._attribute}
        namespace |= {"_lmac_client": self._client, "_lmac_id": number}
        try:
            mirrored: Any = _Mirrored(name, parents, namespace)
        except TypeError:
            # Bases that do not go together in one class.
            mirrored = _Mirrored(name, (SubjectError,), namespace)
        self._mirrored[number] = mirrored
        return self._mirrored[number]

    def _base(self, mark: object) -> type[Exception] | None:
        """None of a class that is no error's, such as `SystemExit`."""
        try:
            base = self._client.codec.decode(mark)
        except NotPlain:
            return None
        return base if isinstance(base, type) and issubclass(base, Exception) else None

    @property
    def _attribute(self) -> Any:
        client = self._client

        def attribute(error: Any, name: str) -> Any:
            if name.startswith("_") or "_lmac_error" not in vars(error):
                raise AttributeError(f"{type(error).__name__} has no {name!r}")
            return client.ask("get", of=error._lmac_error, name=name)

        return attribute


def _text_of(error: Any) -> str:
    text = vars(error).get("_lmac_text")
    return text if isinstance(text, str) else Exception.__str__(error)
