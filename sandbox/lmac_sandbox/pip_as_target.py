"""A program: pip, deciding for another interpreter than the one that runs it, under limits of ours.

`--python-version` and `--platform` choose wheels only; the conditions that packages put on what they need
themselves, pip would answer by its own interpreter. What is told stands in the environment, as JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
from typing import Any

VARIABLE = "LMAC_PIP_TARGET"


def main() -> None:
    """Arguments are pip's own."""
    told = json.loads(os.environ.pop(VARIABLE))
    # Whatever an index sends: pip itself knows no caps.
    for limit, name in ((resource.RLIMIT_FSIZE, "file_bytes"), (resource.RLIMIT_AS, "memory_bytes")):
        resource.setrlimit(limit, (told[name], told[name]))
    pip: Any = importlib.import_module("pip._internal.cli.main")
    markers: Any = importlib.import_module("pip._vendor.packaging.markers")
    own = markers.default_environment
    markers.default_environment = lambda: {**own(), **told["markers"]}
    sys.exit(pip.main())


if __name__ == "__main__":
    main()
