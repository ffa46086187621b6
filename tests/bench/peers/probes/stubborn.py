"""Leaves a process behind and then outlives every time limit."""

import os
import subprocess

SLEEP = ("sleep", "86399")

subprocess.Popen(
    SLEEP,
    stdin=subprocess.DEVNULL,
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
    start_new_session=True,
)
os.execvp(SLEEP[0], SLEEP)
