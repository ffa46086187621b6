"""The endings of a job, shared with the runner that tells them."""

from __future__ import annotations

from lmac_sandbox.inside.ending import Ending

__all__ = ["Ending"]
