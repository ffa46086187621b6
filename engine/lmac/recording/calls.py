"""Replies of the processor, and its failures, as events of the journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from lmac import errors
from lmac.errors import ContextOverflow, ModelError, ReplyLost
from lmac.messages import Finish, Reply, ToolCall, Usage

Fields = Mapping[str, Any]

_ERRORS: Mapping[str, type[ModelError]] = {
    kind.__name__: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, ModelError)
}


def reply_fields(reply: Reply, keep: Callable[[bytes], str]) -> dict[str, object]:
    """Of a `reply` event."""
    return {
        # What is no character stands here too, if a server sends it.
        "text": keep(reply.text.encode("utf-8", "surrogatepass")),
        "calls": [asdict(call) for call in reply.calls],
        "finish": reply.finish.value,
        "usage": asdict(reply.usage),
        "model": reply.model,
        "seconds": round(reply.seconds, 3),
        **({"cached": True} if reply.cached else {}),
    }


def read_reply(fields: Fields, read: Callable[[str], bytes]) -> Reply:
    """The reply of a `reply` event."""
    return Reply(
        text=read(fields["text"]).decode("utf-8", "surrogatepass"),
        finish=Finish(fields["finish"]),
        usage=Usage(**fields["usage"]),
        calls=tuple(ToolCall(**call) for call in fields["calls"]),
        model=fields["model"],
        seconds=fields["seconds"],
        cached=fields.get("cached", False),
    )


def error_fields(error: ModelError) -> dict[str, object]:
    """Of a `model_error` or `retry` event."""
    fields: dict[str, object] = {"error": type(error).__name__, "text": error.message}
    if error.next_step:
        fields["next_step"] = error.next_step
    if isinstance(error, ContextOverflow):
        fields |= {"context_tokens": error.context_tokens, "prompt_tokens": error.prompt_tokens}
    return fields


def read_error(fields: Fields) -> ModelError:
    """The failure of such an event."""
    kind = _ERRORS[fields["error"]]
    said = fields["text"], fields.get("next_step", "")
    if issubclass(kind, ContextOverflow):
        return kind(*said, fields["context_tokens"], fields["prompt_tokens"])
    return kind(*said)


def reply_lost() -> ReplyLost:
    """Of a call that was under way when its process ended: the server may have read it, and been paid."""
    return ReplyLost("the process ended before the reply came", "the call is made again, and counts")
