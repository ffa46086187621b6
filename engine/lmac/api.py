"""LMAC for Python programs: one call for a run, and a stream of its events.

A listener, or a stream's reader, sees the events of the run's journal. `generate` works in the caller's
thread; `stream` works in one of its own and hands the events over.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lmac.config import Domain, RunConfig
from lmac.errors import ConfigError, RunCancelled
from lmac.inputs import TaskInput, given_task, load_config, load_task
from lmac.journal import Event, Listener
from lmac.ordering import Wish, make_order
from lmac.program import Task
from lmac.report.result import RunResult
from lmac.run import RunOrder, execute
from lmac.yaml_source import YamlSource, validated

TaskLike = str | Path | Task
"""A text of several words, the path of a file or of a folder with task.md, or a `Task`."""
ConfigLike = RunConfig | Mapping[str, Any] | str | Path | None
"""A config, its keys, the path of its YAML; None for the defaults."""


def generate(
    task: TaskLike,
    config: ConfigLike = None,
    *,
    acceptance: str | Path | None = None,
    start_from: str | Path | None = None,
    program: str | Path | None = None,
    run_id: str | None = None,
    listener: Listener | None = None,
    environment: Mapping[str, str] | None = None,
) -> RunResult:
    """Carry out one run to its typed outcome, in the caller's thread.

    A run that fails has a result too; Ctrl-C ends it as `Outcome.INTERRUPTED`. Files, journal and report
    lie in `result.folder`.

    Args:
        acceptance: Folder of the user's own test suite, which the model never sees.
        start_from: Folder whose files the store begins with.
        program: File with the user's own program.
        run_id: Name of the run and its folder; made up without it.
        listener: Told of every event, in order; may raise `RunCancelled`.
        environment: In place of `os.environ`, for LMAC_CACHE and the server's key.

    Raises:
        ConfigError: something that is given is not there or does not fit.
        LmacError, lmac_sandbox.SandboxError: what is asked for cannot be started; nothing was spent.
    """
    return execute(_order(task, config, acceptance, start_from, program, run_id, environment), listener)


def generate_codebase(task: TaskLike, config: ConfigLike = None, **more: Any) -> RunResult:
    """As `generate`, for a codebase in the language of the config's check sets; Python without any."""
    return generate(task, _in_domain(config, Domain.CODEBASE), **more)


def generate_book(task: TaskLike, config: ConfigLike = None, **more: Any) -> RunResult:
    """As `generate`, for a book: outline, glossary, chapters."""
    return generate(task, _in_domain(config, Domain.BOOK), **more)


def stream(
    task: TaskLike,
    config: ConfigLike = None,
    *,
    acceptance: str | Path | None = None,
    start_from: str | Path | None = None,
    program: str | Path | None = None,
    run_id: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> EventStream:
    """Start one run in a thread of its own and iterate over its events; to be closed, best by `with`.

    Raises:
        LmacError, lmac_sandbox.SandboxError: what is asked for cannot be started; nothing was spent.
    """
    return EventStream(_order(task, config, acceptance, start_from, program, run_id, environment))


class EventStream(Iterator[Event]):
    """The events of a run as they come; the iteration ends with the run."""

    def __init__(self, order: RunOrder) -> None:
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._cancelled = threading.Event()
        self._result: RunResult | None = None
        self._error: BaseException | None = None
        self._over = False
        self.folder = order.folder
        """Of the run."""
        self._thread = threading.Thread(target=self._work, args=(order,), name=order.folder.name)
        self._thread.start()

    def __next__(self) -> Event:
        """The next event; waits for it.

        Raises:
            HostDiskFull, ConfigError: what `execute` raises, once all events were given.
        """
        event = None if self._over else self._events.get()
        if event is not None:
            return event
        self._over = True
        self._join()
        raise StopIteration

    @property
    def result(self) -> RunResult:
        """What came of the run; waits for its end."""
        self._join()
        assert self._result is not None, "a run without a result has raised"
        return self._result

    def close(self) -> None:
        """Cancel the run unless it is over, and return when nothing of it is left running.

        It ends at its next event: a call of the model under way is waited for. What it has is delivered.
        """
        self._cancelled.set()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _join(self) -> None:
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _work(self, order: RunOrder) -> None:
        try:
            self._result = execute(order, self._tell)
        except BaseException as error:  # noqa: BLE001 - handed to the reader's thread
            self._error = error
        finally:
            self._events.put(None)

    def _tell(self, event: Event) -> None:
        self._events.put(event)
        if self._cancelled.is_set():
            raise RunCancelled


def _in_domain(config: ConfigLike, domain: Domain) -> RunConfig:
    if isinstance(config, Mapping):
        return _config({**config, "domain": domain.value})
    if config is None or isinstance(config, RunConfig):
        return (config or RunConfig()).model_copy(update={"domain": domain})
    return load_config(_config_path(config), (f"domain={domain.value}",))


def _config(config: ConfigLike) -> RunConfig:
    if config is None or isinstance(config, RunConfig):
        return config or RunConfig()
    if isinstance(config, Mapping):
        return validated(RunConfig, YamlSource("config", dict(config), {}))
    return load_config(_config_path(config), ())


def _config_path(config: object) -> Path:
    if isinstance(config, str | Path):
        return Path(config)
    raise ConfigError(
        f"config: it is of type {type(config).__name__}",
        "give a RunConfig, its keys, or the path of its YAML",
    )


def _task(task: object) -> TaskInput:
    if isinstance(task, Task):
        return given_task(task)
    if isinstance(task, str | Path):
        return load_task(str(task))
    raise ConfigError(f"task: it is of type {type(task).__name__}", "give a text, a path, or a Task")


def _order(
    task: TaskLike,
    config: ConfigLike,
    acceptance: str | Path | None,
    start_from: str | Path | None,
    program: str | Path | None,
    run_id: str | None,
    environment: Mapping[str, str] | None,
) -> RunOrder:
    wish = Wish(
        given=_task(task),
        config=_config(config),
        acceptance=None if acceptance is None else Path(acceptance),
        start_from=None if start_from is None else Path(start_from),
        run_id=run_id,
        program=None if program is None else Path(program),
    )
    return make_order(wish, os.environ if environment is None else environment)
