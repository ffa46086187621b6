"""What tells one model from another that is asked the same."""

from __future__ import annotations

from pathlib import Path

from lmac.errors import WeightsError
from lmac.models.profile import ModelProfile
from lmac.models.server import server_version


def model_identity(profile: ModelProfile, weights: Path | None) -> dict[str, object]:
    """The server's address and the model's name there; of an embedded model its weights and what serves it.

    Raises:
        WeightsError: an embedded model's weights are not here.
    """
    if profile.server is not None:
        return {"server": profile.server.base_url, "model": profile.server.model}
    if profile.embedded is None or weights is None:
        raise WeightsError(f"weights of {profile.name}: the run was ordered without them", "run `lmac setup`")
    told = weights.stat()
    return {
        # Reading gigabytes for it would take longer than many a reply.
        "weights": profile.embedded.weights.sha256 or [str(weights), told.st_size, told.st_mtime_ns],
        "context_tokens": profile.context_tokens,
        "server": server_version(),
    }
