"""Where the files are that come with LMAC: `configs/` and `images/`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

SET_UP = "run `lmac setup` with the same -c and -k, which brings it in"
_PACKAGE = Path(__file__).parent
_CHECKOUT = _PACKAGE.parents[1]


def checkout_folder() -> Path | None:
    """The top of the checkout that this program runs from; None when it is installed."""
    return None if (_PACKAGE / "shipped").is_dir() else _CHECKOUT


def shipped_folder(name: Literal["configs", "images"]) -> Path:
    """The folder beside the installed package, or at the top of a checkout."""
    installed = _PACKAGE / "shipped" / name
    return installed if installed.is_dir() else _CHECKOUT / name
