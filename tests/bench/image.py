"""Building the sandbox image."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from bench.figures import Measured, figure, seconds
from bench.stage import connected
from lmac.inputs import cache_folder
from lmac.shipped_images import image_folder
from lmac_sandbox import build_image


@figure("s", at_most=15)
def image_build_warm_seconds() -> Measured:
    """Every package downloaded, nothing made of them yet."""
    with connected() as (engine, image_id), tempfile.TemporaryDirectory() as folder:
        with_downloads(Path(folder))
        built: list[str] = []

        def build() -> None:
            built.append(build_image(image_folder("python"), Path(folder), engine).image_id)

        cold, again = seconds(build), seconds(build)
        assert set(built) == {image_id}, f"{built} instead of {image_id}"
        return Measured(cold, f"again, from the archive that is kept: {again:.2f} s; the same id")


def with_downloads(cache: Path) -> None:
    """Make a cache that holds every package and nothing that was made of them."""
    cache.mkdir(exist_ok=True)
    (cache / "packages").symlink_to(cache_folder(os.environ) / "images" / "packages")
