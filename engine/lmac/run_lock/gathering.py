"""What a run stands on, looked up where it is known: order, engine, image, this program itself."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import lmac_sandbox
from lmac import __version__
from lmac.checks import AcceptanceForm, Check, described
from lmac.config import RunConfig
from lmac.models.profile import ModelProfile
from lmac.models.server import server_version
from lmac.program import Program, Task
from lmac.prompts import Prompts
from lmac.run_lock.content import (
    DigestsPart,
    EnginePart,
    HostPart,
    ImagePart,
    InputPart,
    LmacPart,
    ModelPart,
    Package,
    PolicyPart,
    RunLock,
)
from lmac.shipped import checkout_folder, shipped_folder
from lmac.transitions import MachineKind
from lmac_sandbox import (
    Engine,
    checkout_state,
    identify_image,
    packages_inside,
    seccomp_digest,
    summarize_policy,
)

SOURCE_SUFFIXES = frozenset({".py", ".json", ".yaml", ".mjs", ".toml"})
CHECKOUT_PARTS = ("engine", "sandbox", "images", "configs")


class Started(Protocol):
    """What a store begins with."""

    @property
    def files(self) -> Mapping[str, bytes]: ...


class Ordered(Protocol):
    """A run's order, as far as a lock tells of it."""

    @property
    def task(self) -> Task: ...
    @property
    def config(self) -> RunConfig: ...
    @property
    def profile(self) -> ModelProfile: ...
    @property
    def checks(self) -> tuple[Check, ...]: ...
    @property
    def image_id(self) -> str: ...
    @property
    def prompts(self) -> Prompts: ...
    @property
    def weights(self) -> Path | None: ...
    @property
    def acceptance(self) -> Mapping[str, bytes] | None: ...
    @property
    def acceptance_form(self) -> AcceptanceForm: ...
    @property
    def machine(self) -> MachineKind: ...
    @property
    def start(self) -> Started | None: ...
    @property
    def program(self) -> Program | None: ...


def gather_lock(order: Ordered, engine: Engine) -> RunLock:
    """Everything, as it is now; the same twice while nothing changes.

    Raises:
        SandboxError: the engine does not answer, or lacks the image.
    """
    return RunLock(
        lmac=_lmac(),
        image=_image(engine, order.image_id),
        engine=_engine(engine),
        host=HostPart(
            system=platform.system(), architecture=platform.machine(), processors=os.cpu_count() or 1
        ),
        policy=_policy(order.config),
        prompts=_prompts(order.prompts),
        checks=_checks(order.checks),
        profile=order.profile.model_dump(mode="json"),
        model=_model(order.profile, order.config.seed, order.weights),
        config=order.config.model_dump(mode="json"),
        input=InputPart(
            task_sha256=_sha256(order.task.text),
            machine=order.machine.value,
            acceptance_form=order.acceptance_form.value,
            acceptance=_digests(order.acceptance or {}),
            start=_digests(order.start.files if order.start else {}),
            program_sha256=_sha256(_canonical(asdict(order.program))) if order.program else None,
        ),
    )


def _lmac() -> LmacPart:
    top = checkout_folder()
    checkout = checkout_state(top, CHECKOUT_PARTS) if top is not None else None
    return LmacPart(
        version=__version__,
        commit=checkout.commit if checkout else None,
        dirty=checkout.dirty if checkout else None,
        source_sha256=source_digest(),
        python=platform.python_version(),
    )


@cache
def source_digest() -> str:
    """Of the files of both packages, as they were when this process first asked."""
    packages = (Path(__file__).parents[1], Path(str(lmac_sandbox.__file__)).parent)
    lines = []
    for package in packages:
        shipped = package / "shipped"
        for path in sorted(package.rglob("*")):
            if path.suffix in SOURCE_SUFFIXES and path.is_file() and not path.is_relative_to(shipped):
                name = f"{package.name}/{path.relative_to(package).as_posix()}"
                lines.append(f"{_sha256(path.read_bytes())} {name}")
    return _sha256("\n".join(lines))


def _image(engine: Engine, image_id: str) -> ImagePart:
    image = identify_image(engine, image_id)
    packages = {
        f"{package.kind.value} {package.name}": Package(version=package.version, sha256=package.sha256)
        for package in packages_inside(image, shipped_folder("images"))
    }
    return ImagePart(
        id=image.image_id,
        engine_id=image.engine_id,
        name=image.name,
        lock_sha256=image.lock_digest,
        recipe_sha256=image.recipe,
        layers=image.layer_digests,
        packages=dict(sorted(packages.items())),
    )


def _engine(engine: Engine) -> EnginePart:
    facts = engine.facts()
    return EnginePart(
        kind=facts.kind,
        version=facts.server_version,
        api_version=facts.api_version,
        containerd=facts.containerd_version,
        runtime=engine.runtime or facts.default_runtime,
        runc=facts.runc_version,
        kernel=facts.kernel,
        architecture=facts.architecture,
        cgroup_version=facts.cgroup_version,
        storage_driver=facts.storage_driver,
        security_options=tuple(sorted(facts.security_options)),
        rootless=facts.rootless,
        userns_remap=facts.userns_remap,
    )


def _policy(config: RunConfig) -> PolicyPart:
    summary = summarize_policy(config.box, config.store, config.isolation, "IMAGE")
    return PolicyPart(
        seccomp_sha256=seccomp_digest(),
        containers_sha256=_sha256(_canonical(asdict(summary))),
        box=asdict(config.box),
        store=asdict(config.store),
        isolation=asdict(config.isolation),
    )


def _prompts(prompts: Prompts) -> DigestsPart:
    parts = {f"language {name}": text for name, text in prompts.parts.items()}
    return DigestsPart(sha256=_sha256(prompts.as_yaml()), each=_digests({**prompts.texts, **parts}))


def _checks(checks: Iterable[Check]) -> DigestsPart:
    texts = {check.name: _canonical(described(check)) for check in checks}
    # In the order in which they run.
    return DigestsPart(sha256=_sha256("\n".join(texts.values())), each=_digests(texts))


def _model(profile: ModelProfile, seed: int | None, weights: Path | None) -> ModelPart:
    source = profile.embedded.weights if profile.embedded else None
    return ModelPart(
        name=profile.name,
        served=profile.server.model if profile.server else profile.name,
        base_url=profile.server.base_url if profile.server else None,
        weights_sha256=source.sha256 if source else None,
        weights_bytes=weights.stat().st_size if source and weights else None,
        server_package=server_version() if source else "",
        temperature=profile.temperature,
        reply_tokens=profile.reply_tokens,
        context_tokens=profile.context_tokens,
        seed=profile.seed if seed is None else seed,
        server_options=dict(profile.server_options),
    )


def _digests(texts: Mapping[str, str | bytes]) -> dict[str, str]:
    return {name: _sha256(texts[name]) for name in sorted(texts)}


def _sha256(content: str | bytes) -> str:
    encoded = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    return hashlib.sha256(encoded).hexdigest()


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
