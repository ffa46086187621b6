"""Bring up a container with one of our programs in it, and take it down whatever happens on the way."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from lmac_sandbox.errors import SandboxError
from lmac_sandbox.wire import Channel

if TYPE_CHECKING:
    from lmac_sandbox.engine import Engine
    from lmac_sandbox.policy import Options


class Program:
    """A running program and the container that holds it; obtained by `launch`."""

    def __init__(self, engine: Engine, container_id: str, channel: Channel) -> None:
        self._engine = engine
        self.container_id = container_id
        self.channel = channel

    def leave(self) -> None:
        """Close its stdin: it ends and the engine removes it, soon and without being waited for."""
        self.channel.close()

    def remove(self) -> None:
        """Kill and remove the container now."""
        self.channel.close()
        self._engine.remove_container(self.container_id)


def launch(engine: Engine, options: Options, program: str, protocol: int, hello_seconds: float) -> Program:
    """Create, attach, start, and wait for the hello; on any failure or interruption nothing is left.

    Raises:
        SandboxError: it did not come up.
    """
    container_id = engine.create_container(options, program)
    channel: Channel | None = None
    try:
        channel = Channel(engine.attach(container_id, program), program)
        engine.start_container(container_id, program)
        channel.hello(protocol, hello_seconds)
    except BaseException:
        if channel is not None:
            channel.close()
        # The first failure is the one to report.
        with suppress(SandboxError):
            engine.remove_container(container_id)
        raise
    return Program(engine, container_id, channel)
