"""Where the items of a bench run: one model server for all of them, the engine's image, a folder of runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lmac.bench.conditions import ResolvedCondition
from lmac.bench.runner import Item
from lmac.checks import CheckPlan
from lmac.inputs import load_checks, resolve_key, resolve_weights
from lmac.models.profile import ModelProfile, ServerModel
from lmac.models.server import EmbeddedServer
from lmac.report.result import RunResult
from lmac.run import RunOrder, execute
from lmac.shipped_images import resolve_image
from lmac_sandbox import Engine, require_isolation


@dataclass(frozen=True, slots=True)
class ServedStand:
    """Items against a server that is up."""

    profiles: Mapping[str, ModelProfile]
    """By the condition's name, as are the next two; all are of one server."""
    api_key: str | None = field(repr=False)
    plans: Mapping[str, CheckPlan]
    image_ids: Mapping[str, str]
    runs_folder: Path
    cache: Path

    def order(self, item: Item, config_changes: Mapping[str, object], folder_name: str) -> RunOrder:
        condition = item.condition
        return RunOrder(
            task=item.problem.task,
            config=condition.config_for(item.problem).model_copy(update=dict(config_changes)),
            profile=self.profiles[condition.name],
            checks=self.plans[condition.name].checks,
            image_id=self.image_ids[condition.name],
            folder=self.runs_folder / folder_name,
            prompts=condition.prompts,
            api_key=self.api_key,
            acceptance=item.problem.acceptance,
            acceptance_form=item.problem.form,
            machine=condition.condition.machine,
            cache=self.cache,
        )

    def execute(self, order: RunOrder) -> RunResult:
        return execute(order)


@contextmanager
def open_stand(
    conditions: tuple[ResolvedCondition, ...],
    runs_folder: Path,
    cache: Path,
    environment: Mapping[str, str],
    log_path: Path,
) -> Iterator[ServedStand]:
    """Resolve what all items need, and serve an embedded model once for all of them.

    Args:
        conditions: All of one model.
        log_path: Gets what an embedded server prints.

    Raises:
        ConfigError, WeightsError, SandboxError: something is missing; nothing was started.
        ModelError: the embedded server does not come up.
    """
    profile = conditions[0].profile
    weights = resolve_weights(profile, cache)
    api_key = resolve_key(profile, environment)
    plans = {condition.name: load_checks(condition.config) for condition in conditions}
    config = conditions[0].config
    with Engine.connect(config.engine_url) as engine:
        require_isolation(engine, config.isolation)
        image_ids = {name: resolve_image(engine, plan.image, cache) for name, plan in plans.items()}
    if profile.embedded is None or weights is None:
        profiles = {condition.name: condition.profile for condition in conditions}
        yield ServedStand(profiles, api_key, plans, image_ids, runs_folder, cache)
        return
    with EmbeddedServer(
        weights,
        model=profile.name,
        context_tokens=profile.window_tokens,
        log_path=log_path,
        threads=profile.embedded.threads,
        prompt_cache_bytes=profile.embedded.prompt_cache_bytes,
    ) as server:
        where = {"embedded": None, "server": ServerModel(base_url=server.base_url, model=server.model)}
        served = {condition.name: condition.profile.model_copy(update=where) for condition in conditions}
        yield ServedStand(served, server.api_key, plans, image_ids, runs_folder, cache)
