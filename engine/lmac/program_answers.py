"""What a strong model is asked for on the way to a program: by a native call, or as JSON of a schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from lmac.messages import Reply, ToolSpec
from lmac.processor.actions import ActionProtocol, ToolForm
from lmac.program import (
    MOST_REQUIREMENTS,
    Instruction,
    Program,
    ProgramFault,
    PublicName,
    Requirement,
    legal_path,
)
from lmac.program.revision import MOST_PARTS

MOST_ASKED_REQUIREMENTS = 60
FAULTS = 5
"""That are named at once."""

Number = Annotated[int, Field(ge=1, le=1000)]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _as_file(value: object) -> object:
    """Models often name the path alone."""
    return {"path": value} if isinstance(value, str) else value


class ExpectedFile(_Given):
    """A file that a step writes."""

    path: str = Field(min_length=1, max_length=200)
    public_names: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(
        default_factory=list, max_length=50, description="classes and functions that other files may use"
    )


GivenFile = Annotated[ExpectedFile, BeforeValidator(_as_file)]


class GivenStep(_Given):
    """One instruction."""

    text: str = Field(min_length=1, max_length=4000, description="what to write; it must stand on its own")
    files: list[GivenFile] = Field(default_factory=list, max_length=50)
    requirements: list[Number] = Field(
        default_factory=list, max_length=MOST_REQUIREMENTS, description="numbers of those that it covers"
    )
    depends_on: list[Number] = Field(
        default_factory=list,
        max_length=50,
        description="numbers of earlier steps, from 1, whose files it uses",
    )
    check: str = Field(default="", max_length=400, description="the test files or checks that will judge it")

    def instruction(self) -> Instruction:
        """It as the program holds it.

        Raises:
            ProgramFault: the store would not take a file of it.
        """
        for file in self.files:
            if not legal_path(file.path):
                raise ProgramFault(
                    f"{file.path[:80]!r} is no path of the store: name it relative to its root"
                )
        return Instruction(
            self.text,
            files=tuple(dict.fromkeys(file.path for file in self.files)),
            requirements=tuple(dict.fromkeys(self.requirements)),
            public_names=tuple(
                PublicName(file.path, name)
                for file in self.files
                for name in dict.fromkeys(file.public_names)
            ),
            depends_on=tuple(dict.fromkeys(self.depends_on)),
            check=self.check,
        )


class GivenRequirements(_Given):
    """What the task requires."""

    requirements: list[Annotated[str, Field(min_length=1, max_length=1000)]] = Field(
        min_length=1, max_length=MOST_ASKED_REQUIREMENTS, description="one sentence each that can be checked"
    )

    def items(self) -> tuple[Requirement, ...]:
        """Them, numbered in order; one that comes twice is one."""
        texts = dict.fromkeys(" ".join(text.split()) for text in self.requirements)
        return tuple(Requirement(number, text) for number, text in enumerate(filter(None, texts), start=1))


class GivenProgram(_Given):
    """The whole program, in order."""

    instructions: list[GivenStep] = Field(min_length=1)

    def program(self, requirements: tuple[Requirement, ...], most_instructions: int) -> Program:
        """It, numbered, for these requirements.

        Raises:
            ProgramFault: too many instructions, or one that cannot be used.
        """
        if (count := len(self.instructions)) > most_instructions:
            raise ProgramFault(f"{count} instructions were given; at most {most_instructions} are allowed")
        return Program(tuple(step.instruction() for step in self.instructions), requirements).numbered()


class GivenPart(_Given):
    """One part of a step."""

    text: str = Field(min_length=1, max_length=2000)
    files: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(
        default_factory=list, max_length=20
    )

    def instruction(self) -> Instruction:
        """It as a program holds it; paths that the store would not take are left out."""
        return Instruction(self.text, tuple(path for path in dict.fromkeys(self.files) if legal_path(path)))


class GivenParts(_Given):
    """A step that was too large, in parts."""

    parts: list[GivenPart] = Field(min_length=2, max_length=MOST_PARTS)


G = TypeVar("G", bound=_Given)


@dataclass(frozen=True, slots=True)
class Question(Generic[G]):
    """Something that a model is asked to give in one piece."""

    name: str
    """Of the native call."""
    description: str
    answer: type[G]

    def form(self) -> ToolForm:
        """It as a protocol offers it."""
        return ToolForm(ToolSpec(self.name, self.description, schema_of(self.answer)), self.name.upper(), ())

    def read_call(self, reply: Reply, protocol: ActionProtocol) -> G:
        """The answer by a native call, or as JSON in words where a model writes instead of calling.

        Raises:
            ProgramFault: neither holds one.
        """
        parsed = protocol.parse(reply, (self.form(),))
        for action in parsed.actions:
            if action.name == self.name:
                return self._valid(action.arguments)
        if not reply.calls and "{" in reply.text:
            return self.read_text(reply.text)
        faults = [fault.text for fault in parsed.faults if reply.calls]
        raise ProgramFault("; ".join(faults) or f"the tool `{self.name}` was not called")

    def read_text(self, text: str) -> G:
        """The answer in a text: from its first brace to its last one.

        Raises:
            ProgramFault: that is no JSON, or does not fit.
        """
        try:
            value = json.loads(text[text.find("{") : text.rfind("}") + 1])
        except (ValueError, RecursionError) as error:
            raise ProgramFault(f"the answer is no JSON: {str(error)[:200]}") from error
        return self._valid(value)

    def _valid(self, value: object) -> G:
        try:
            return self.answer.model_validate(value)
        except ValidationError as error:
            raise ProgramFault(said_of(error)) from error
        except RecursionError as error:
            raise ProgramFault("the answer is nested too deeply") from error


REQUIREMENTS = Question("requirements", "give the numbered requirements of the task", GivenRequirements)
PROGRAM = Question("program", "give the program: its instructions in order", GivenProgram)
PARTS = Question("parts", "give the parts into which the step is split", GivenParts)


def said_of(error: ValidationError) -> str:
    """The first faults, each with its place; no value of the model's is repeated."""
    faults = error.errors(include_url=False, include_input=False)
    said = [
        f"{'.'.join(str(part) for part in fault['loc'])[:80]}: {fault['msg']}" for fault in faults[:FAULTS]
    ]
    return "; ".join(said).removeprefix(": ")


def schema_of(answer: type[BaseModel]) -> Mapping[str, Any]:
    """The JSON schema of an answer as servers constrain to it: flat, and with every property required."""
    schema = answer.model_json_schema()
    found: dict[str, Any] = _flat(schema, schema.get("$defs", {}))
    return found


def _flat(schema: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_flat(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _flat(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
    flat: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            flat[key] = {name: _flat(part, definitions) for name, part in value.items()}
        # Lengths of texts make a server's grammar large, and some servers refuse them; code demands them.
        elif key not in ("$defs", "title", "default", "minLength", "maxLength"):
            flat[key] = _flat(value, definitions)
    if "properties" in flat:
        flat["required"] = list(flat["properties"])
    return flat
