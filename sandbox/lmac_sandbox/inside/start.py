"""Start one of our in-container programs: `python3 -I -B /opt/lmac/inside/start.py keeper`, say.

The package is loaded under a private name and without touching `sys.path`, so that a job forked from the
runner may have modules called `inside` or `start` of its own.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys

PACKAGE = "lmac_inside"
FOLDER = "/opt/lmac/inside"
ROLES = ("keeper", "runner", "subject_server")


def load_package() -> None:
    """Make `FOLDER` importable as `PACKAGE`."""
    spec = importlib.util.spec_from_file_location(
        PACKAGE, f"{FOLDER}/__init__.py", submodule_search_locations=[FOLDER]
    )
    if spec is None or spec.loader is None:
        sys.exit(f"no package at {FOLDER}")
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)


def main() -> None:
    """Hand over to `main()` of the module that the first argument names."""
    role = sys.argv[1] if len(sys.argv) > 1 else ""
    if role not in ROLES:
        sys.exit(f"usage: start.py {'|'.join(ROLES)}")
    # The program finds its own arguments where any program does.
    del sys.argv[1]
    load_package()
    importlib.import_module(f"{PACKAGE}.{role}").main()


if __name__ == "__main__":
    main()
