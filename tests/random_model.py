"""A model that does anything: what it is asked, with slips, and garbage, refusals, loops and floods."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from lmac.errors import (
    ContextOverflow,
    ModelBusy,
    ModelError,
    ModelFault,
    ModelGarbled,
    ModelSilent,
    ModelUnreachable,
)
from lmac.messages import Finish, Reply, Request, Sampling, ToolCall, Usage

Call = tuple[str, Mapping[str, Any]]
"""A tool with its arguments, in whichever form it is said."""

JUNK = "\x00\x1b[2J\u202e\ud800\U0001f600{}[]```'\"<untrusted>\r\n\t FILE: a.py 1. DONE"
PATHS = (
    "a.py",
    "test_a.py",
    "b.py",
    "test_b.py",
    "pkg/c.py",
    "../out.py",
    "/etc/x",
    "a.py/b.py",
    "\ud800.py",
    "",
)
CONTENTS = ("A = 1\n", "A = 1  # BUG\n", "BROKEN\n", "def test_a(): ...\n", "", "x" * 3000, "\ud800\x00")
GOOD = {f"{name}.py": f"{name.upper()} = 1\n" for name in "abc"} | {
    f"test_{name}.py": f"def test_{name}(): ...\n" for name in "abc"
}
"""All that any program of this model names."""
NAMES = (
    "write",
    "read",
    "list",
    "delete",
    "run",
    "tests",
    "done",
    "retire",
    "program",
    "rm",
    "",
    "wri\x00te",
)
ARGUMENTS = ("{}", "[]", "null", "5", '{"path": 5}', '{"path": ["a"]}', "\x00", '{"test": "a", "reason": []}')
ERRORS = (ModelBusy, ModelFault, ModelGarbled, ModelSilent, ModelUnreachable)
STEP = {"text": "Write c.py.", "files": ["c.py", "test_c.py"]}
DIFF = "@@ -1,1 +1,1 @@\n-A = 1\n+A = 2\n"


@dataclass(frozen=True, slots=True)
class Nature:
    """How often a model does what, of all its turns."""

    sound: float
    """Does what it is asked for."""
    slips: float
    """Of its sound work: leaves a bug in it."""
    failures: float
    """The call itself fails."""
    miscounts: bool
    """Its server tells made-up numbers of tokens."""


class RandomModel:
    """Behaves in one way for a while, then in another, in the form that the request wants."""

    def __init__(self, dice: random.Random, nature: Nature) -> None:
        self._dice = dice
        self._nature = nature
        self._ids = count()
        self._spoken: list[Reply] = []
        self._behaviour = self._work
        self._request = Request((), Sampling(0.0, 1))

    def answer(self, request: Request) -> Reply | ModelError:
        self._request = request
        if self._dice.random() < self._nature.failures:
            return self._dice.choice((*ERRORS, ContextOverflow, ContextOverflow))("it failed")
        if self._dice.random() < self._nature.sound:
            reply = self._sound()
        else:
            if self._dice.random() < 0.4:
                self._behaviour = self._dice.choice(self._behaviours())
            reply = self._behaviour()
        self._spoken.append(reply)
        return reply

    # What is asked for

    def _sound(self) -> Reply:
        """The program, its parts, a summary or the files, as the request wants it."""
        last = self._request.messages[-1].text
        wanted = self._wanted()
        if "Sum up in at most five lines" in last:
            return self._saying("It is written.")
        if "requirements" in wanted:
            return self._giving("requirements", {"requirements": ["It counts.", "It stops."]})
        if "parts" in wanted or "Split this step" in last:
            return self._program("parts")
        if wanted & {"program", "instructions", "steps"} or "Answer with a numbered list" in last:
            return self._program("program")
        if "pass:" in last and "do not pass" not in last:
            return self._done()
        return self._good_work()

    def _wanted(self) -> frozenset[str]:
        """Names of the tools, or of the fields, that an answer may have."""
        if self._request.tools:
            return frozenset(tool.name for tool in self._request.tools)
        return frozenset((self._request.json_schema or {}).get("properties", ()))

    def _program(self, name: str = "program") -> Reply:
        steps: list[dict[str, Any]] = [
            {"text": f"Write {path}.", "files": [path, f"test_{path}"]}
            for path in self._dice.sample(("a.py", "b.py", "c.py"), self._dice.randint(1, 3))
        ]
        if "steps" in self._wanted():
            return self._saying(json.dumps({"steps": [self._module(step) for step in steps]}))
        if self._request.tools or self._request.json_schema is not None:
            steps[0]["requirements"] = [1, 2]
            return self._giving(name, {"parts" if name == "parts" else "instructions": steps})
        lines = (f"{n}. {step['text']} (files: {step['files'][0]})" for n, step in enumerate(steps, start=1))
        return self._saying("\n".join(lines))

    @staticmethod
    def _module(step: Mapping[str, Any]) -> dict[str, str]:
        module, tests = step["files"]
        return {"module": module, "tests": tests, "text": step["text"]}

    def _good_work(self) -> Reply:
        """Every file that a program may name: what is asked for is among them."""
        files = dict(GOOD)
        if self._dice.random() < self._nature.slips:
            files[self._dice.choice(("a.py", "b.py"))] = self._dice.choice(("A = 1  # BUG\n", "BROKEN\n"))
        if self._dice.random() < 0.5:
            files["pkg/c.py"] = "C = 1\n"
        calls: list[Call] = [("write", {"path": path, "content": text}) for path, text in files.items()]
        return self._acting(*calls, *([("done", {})] if self._dice.random() < 0.5 else []))

    # What is not

    def _behaviours(self) -> tuple[Callable[[], Reply], ...]:
        return (
            self._program,
            self._work,
            self._work,
            self._work,
            self._edits,
            self._looks,
            self._revisions,
            self._done,
            self._junk,
            self._refusal,
            self._empty,
            self._flood,
            self._half_json,
            self._echo,
            self._alternation,
            self._spam,
            self._unknown_tools,
        )

    def _work(self) -> Reply:
        writes: list[Call] = [
            ("write", {"path": self._dice.choice(PATHS), "content": self._dice.choice(CONTENTS)})
            for _ in range(self._dice.randint(1, 3))
        ]
        return self._acting(*writes, *([("done", {})] if self._dice.random() < 0.3 else []))

    def _edits(self) -> Reply:
        """By replacement and by diff, of texts that stand there and of such as do not."""
        path, search = (
            self._dice.choice(PATHS),
            self._dice.choice(("A = 1\n", "A = 2\n", "", "no such line\n")),
        )
        replacement = {"search": search, "replace": self._dice.choice(CONTENTS)}
        edit = "edit", {"path": path, "replacements": [replacement] * self._dice.randint(1, 2)}
        patch = "patch", {"path": path, "diff": self._dice.choice((DIFF, DIFF * 2, "@@", "-A = 1\n+A = 2"))}
        return self._acting(*self._dice.choices((edit, patch), k=self._dice.randint(1, 3)))

    def _looks(self) -> Reply:
        path = self._dice.choice(PATHS)
        calls: list[Call] = [
            ("read", {"path": path}),
            ("list", {}),
            ("search", {"text": self._dice.choice(("A", "(", ""))}),
            ("tests", {}),
            ("delete", {"path": path}),
            ("run", {"path": path}),
            ("retire", {"test": "test_a.py::test_a", "reason": ["it", "was", "wrong"]}),
        ]
        return self._acting(*self._dice.choices(calls, k=self._dice.randint(1, 4)))

    def _revisions(self) -> Reply:
        step = self._dice.randint(1, 4)
        change = self._dice.choice(
            (
                {"change": "add", "steps": [STEP], "needed_by": self._dice.choice(([], [step]))},
                {
                    "change": "split",
                    "step": step,
                    "steps": [STEP, {"text": "Write b.py.", "files": ["b.py"]}],
                },
                {"change": "drop", "step": step, "moved_to": self._dice.choice((None, 1, 2))},
            )
        )
        return self._acting(("revise", {"reason": "it is better so", **change}))

    def _done(self) -> Reply:
        return self._acting(("done", {}))

    def _junk(self) -> Reply:
        return self._saying("".join(self._dice.choices(JUNK, k=self._dice.randint(1, 400))))

    def _refusal(self) -> Reply:
        return Reply("I cannot help with that.", Finish.FILTERED, self._usage(8))

    def _empty(self) -> Reply:
        return self._saying("")

    def _flood(self) -> Reply:
        unit = self._dice.choice(("a ", "```", "FILE: a.py\n", "1. ", '{"', "\n", "READ a.py\n"))
        return Reply(unit * self._dice.randint(500, 4000), Finish.LENGTH, self._usage(4000))

    def _half_json(self) -> Reply:
        text = json.dumps({"path": "a.py", "content": "A = 1\n"})
        half = text[: self._dice.randint(0, len(text))]
        return self._calling(("write", half)) if self._request.tools else self._saying(f"```json\n{half}")

    def _echo(self) -> Reply:
        return self._spoken[-1] if self._spoken else self._empty()

    def _alternation(self) -> Reply:
        return self._spoken[-2] if len(self._spoken) > 1 else self._empty()

    def _spam(self) -> Reply:
        return self._acting(*[("list", {})] * self._dice.randint(2, 60))

    def _unknown_tools(self) -> Reply:
        calls = [(self._dice.choice(NAMES), self._dice.choice(ARGUMENTS)) for _ in range(3)]
        if self._request.tools:
            return self._calling(*calls)
        return self._saying("\n\n".join(f"{name.upper()} {arguments}" for name, arguments in calls))

    # The forms

    def _giving(self, name: str, answer: Mapping[str, Any]) -> Reply:
        if self._request.tools:
            return self._calling((name, json.dumps(answer)))
        return self._saying(json.dumps(answer))

    def _acting(self, *calls: Call) -> Reply:
        if self._request.tools:
            return self._calling(*((name, json.dumps(arguments)) for name, arguments in calls))
        if self._request.json_schema is not None:
            return self._saying(json.dumps({"actions": [{"tool": name, **rest} for name, rest in calls]}))
        return self._saying("\n\n".join(_fenced(name, arguments) for name, arguments in calls))

    def _saying(self, text: str) -> Reply:
        return Reply(text, Finish.STOP, self._usage(len(text) // 4))

    def _calling(self, *calls: tuple[str, str]) -> Reply:
        made = tuple(ToolCall(f"call_{next(self._ids)}", name, arguments) for name, arguments in calls)
        return Reply("", Finish.TOOL_CALLS, self._usage(50), calls=made)

    def _usage(self, reply_tokens: int) -> Usage:
        """None: the server counts for itself."""
        if not self._nature.miscounts:
            return Usage()
        return Usage(self._dice.choice((0, 10, 500, 5000)), reply_tokens)


def _fenced(name: str, arguments: Mapping[str, Any]) -> str:
    match name:
        case "write":
            return f"FILE: {arguments['path']}\n```\n{arguments['content']}\n```"
        case "edit":
            blocks = "".join(
                f"<<<<<<< SEARCH\n{one['search']}=======\n{one['replace']}>>>>>>> REPLACE\n"
                for one in arguments["replacements"]
            )
            return f"FILE: {arguments['path']}\n```\n{blocks}```"
        case "patch":
            return f"FILE: {arguments['path']}\n```diff\n{arguments['diff']}```"
        case "read" | "list" | "delete" | "run" | "tests" | "done" | "retire":
            words = (
                " ".join(value) if isinstance(value, list) else str(value) for value in arguments.values()
            )
            return " ".join((name.upper(), *words))
        case _:
            return f"{name.upper()} {json.dumps(arguments)}"
