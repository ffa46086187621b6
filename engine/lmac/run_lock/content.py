"""What `run.lock` holds: all that a run stands on, by value or by digest. No key is in it."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from lmac.errors import ConfigError

VERSION = 1


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LmacPart(_Section):
    """The program that carries the run out."""

    version: str
    commit: str | None
    """Of the checkout that it runs from; None when it is installed, or git is not there."""
    dirty: bool | None
    """Whether files of that checkout differ from the commit."""
    source_sha256: str
    """Of all its files that decide anything, wherever they lie."""
    python: str


class Package(_Section):
    """One package."""

    version: str
    sha256: str
    """Of its file at the publisher."""


class ImagePart(_Section):
    """The image of every container of the run. What is not known of a foreign one is "" or empty."""

    id: str
    """The same on every engine."""
    engine_id: str
    """What the run's engine calls it."""
    name: str
    lock_sha256: str
    recipe_sha256: str
    layers: tuple[str, ...]
    packages: dict[str, Package]
    """By kind and name, such as "deb libc6"."""


class EnginePart(_Section):
    """The container engine and the kernel below it."""

    kind: str
    version: str
    api_version: str
    containerd: str
    runtime: str
    """The OCI runtime of the run's containers, by its name."""
    runc: str
    kernel: str
    architecture: str
    cgroup_version: str
    storage_driver: str
    security_options: tuple[str, ...]
    rootless: bool
    userns_remap: bool


class HostPart(_Section):
    """The machine on which LMAC itself runs."""

    system: str
    architecture: str
    processors: int


class PolicyPart(_Section):
    """How generated code is confined."""

    seccomp_sha256: str
    containers_sha256: str
    """Of the whole policy as `lmac sandbox policy --json` prints it, the image's id left open."""
    box: dict[str, Any]
    store: dict[str, Any]
    isolation: dict[str, Any]


class DigestsPart(_Section):
    """Several texts, each by its sha256."""

    sha256: str
    """Of all together."""
    each: dict[str, str]


class ModelPart(_Section):
    """The model, as far as it is known before it is asked."""

    name: str
    """The profile's."""
    served: str
    """By which name its server is asked for it."""
    base_url: str | None
    """None for an embedded model, or the client's own default."""
    weights_sha256: str | None
    """None of a server's, and of weights that the profile names by their file."""
    weights_bytes: int | None
    server_package: str
    """Version of what serves an embedded model; "" for a server's."""
    temperature: float
    reply_tokens: int | None
    """None: asked of the server; the journal's `server_sizes` tells."""
    context_tokens: int | None
    seed: int | None
    """Of the first attempt at an instruction."""
    server_options: dict[str, Any]


class InputPart(_Section):
    """What the user gave."""

    task_sha256: str
    machine: str
    """The control unit, or a baseline."""
    acceptance_form: str
    acceptance: dict[str, str]
    """Path to sha256, as `start`."""
    start: dict[str, str]
    program_sha256: str | None


class Answered(_Section):
    """Who answered, by a reply's own words."""

    model: str
    fingerprint: str
    """`system_fingerprint`; "" where the server gives none."""


class ServerPart(_Section):
    """What the model's server said of itself, once it had answered; empty until then."""

    answered: tuple[Answered, ...] = ()
    """More than one where it changed within the run."""
    listed: dict[str, Any] = {}
    """The model's entry of /v1/models."""
    properties: dict[str, Any] = {}
    """Of llama.cpp's /props."""


class DependenciesPart(_Section):
    """What the store had asked for, as boxes got it over the run's image."""

    layer_sha256: str
    """"" where the image brings it all itself."""
    packages: dict[str, Package]
    """By name; with all that they need."""


class RunLock(_Section):
    """All that one run stands on."""

    version: Literal[1] = 1
    lmac: LmacPart
    image: ImagePart
    engine: EnginePart
    host: HostPart
    policy: PolicyPart
    prompts: DigestsPart
    checks: DigestsPart
    """By the check's name; `sha256` is of their order too."""
    profile: dict[str, Any]
    model: ModelPart
    config: dict[str, Any]
    """Every key: machine limits, budgets and seed with the rest."""
    input: InputPart
    dependencies: dict[str, DependenciesPart] = {}
    """By the sha256 of the file that asks for them; empty until one does."""
    server: ServerPart = ServerPart()

    def as_json(self) -> str:
        """Indented, ASCII, keys in order: the same lock gives the same bytes."""
        return json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"


def parse_lock(text: str | bytes, where: str) -> RunLock:
    """Read a lock.

    Raises:
        ConfigError: it is none, or another version's.
    """
    try:
        return RunLock.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        raise ConfigError(
            f"{where}: {key}: {first['msg']}", f"this LMAC reads run locks of version {VERSION}"
        ) from error


def schema_json() -> str:
    """The JSON Schema of `run.lock`."""
    return json.dumps(RunLock.model_json_schema(), indent=2, sort_keys=True) + "\n"
