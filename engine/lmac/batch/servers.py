"""Embedded models: one server each, for all runs that use it."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from lmac.assembly import SharedServer, embedded_server
from lmac.batch.job import Job
from lmac.models.server import EmbeddedServer

ServerKey = tuple[str, ...]


def server_key(job: Job) -> ServerKey:
    """Jobs with the same key talk to the same server."""
    profile = job.profile
    if profile.server is not None:
        return ("server", profile.server.base_url or "")
    settings = profile.embedded.model_dump_json() if profile.embedded else ""
    return ("embedded", profile.name, str(job.weights), str(profile.context_tokens), settings)


class ModelServers:
    """Starts a model's server with its first run, and once more when it died. Owned by a `with` block.

    Args:
        folder: Gets the servers' logs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._up: dict[ServerKey, EmbeddedServer] = {}
        self._turn = threading.Lock()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def of(self, job: Job) -> SharedServer | None:
        """The server of the job's model; None where the profile names one that runs elsewhere.

        Raises:
            ModelError: it does not come up.
        """
        if job.profile.embedded is None:
            return None
        key = server_key(job)
        with self._turn:
            server = self._up.get(key)
            if server is None or not server.alive:
                folder = self._folder / job.profile.name
                folder.mkdir(parents=True, exist_ok=True)
                server = self._stack.enter_context(embedded_server(job.profile, job.weights, folder))
                self._up[key] = server
            return SharedServer(server.base_url, server.api_key, server.model)
