"""Prints how many processes of `stubborn.py` are still there."""

import os
from pathlib import Path

left = 0
for process in filter(str.isdigit, os.listdir("/proc")):
    try:
        left += Path("/proc", process, "cmdline").read_bytes() == b"sleep\x0086399\x00"
    except OSError:
        # It ended meanwhile.
        continue
print(left)
