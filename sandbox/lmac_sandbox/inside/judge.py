"""Judging by the user's suite: the subject runs as the job's user, pytest with the suite as the judge's.

The two share a socket and nothing else. The judge's files lie in a file system of its own, and neither its
path of imports nor its environment names a folder that the subject can write.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import types
from collections.abc import Mapping, Sequence

import pytest

from . import spawn
from .copying import as_user
from .dependencies import with_dependencies
from .judge_plugin import Finished, JudgePlugin, Running, Subject
from .judged_form import JudgedForm
from .link import Link
from .places import JUDGE_HOME, JUDGE_SUITE, JUDGE_TEMPORARY, WORKING_FOLDERS
from .plain_assertions import compare_plain_data
from .proxies import Proxies
from .pytest_job import NamesRestored, fixed_options
from .raised import SubjectError
from .reading import tell_reading
from .recorder import Recorder
from .stand_ins import described
from .subject_client import SubjectBroken, SubjectClient
from .subject_imports import SubjectFinder, list_modules
from .users import BoxUsers

_SUBJECT_COMMAND = ("/usr/bin/python3", "-s", "-P", "-B", "/opt/lmac/inside/start.py", "subject_server")
SUITE_MODULE = "lmac_subject"
"""What a suite may import of ours."""


def fork_judged(
    form: JudgedForm,
    users: BoxUsers,
    arguments: tuple[str, ...],
    environment: Mapping[str, str],
    pipes: Mapping[str, int],
    stdin: int,
    caps: spawn.Caps,
) -> tuple[int, int]:
    """Fork subject and judge.

    Args:
        pipes: Writing ends: `stdout`, `stderr`, `events`, `reading` of the judge, `subject` for all that the
            subject's process writes.

    Returns:
        Process ids of the judge and of the subject.
    """
    modules: list[str] = as_user(users.job, list_modules)["modules"] if form is JudgedForm.API else []
    ours, theirs = (end.detach() for end in socket.socketpair())
    nothing = os.open(os.devnull, os.O_RDONLY)

    def subject() -> int:
        # A fresh interpreter: the runner's own memory has seen the suite, and a fork would carry it over.
        os.set_inheritable(theirs, True)
        command = (*_SUBJECT_COMMAND, str(theirs))
        # The judge's own environment names no dependencies: what it starts would run them as the judge.
        theirs_too = with_dependencies(environment)
        return spawn.execute(command, WORKING_FOLDERS["subject"], theirs_too, pipes["subject"])

    def judge() -> int:
        tell_reading(JUDGE_SUITE, pipes["reading"])
        return _run_suite(arguments, environment, pipes["events"], ours, modules)

    try:
        outside = spawn.Descriptors(nothing, pipes["subject"], pipes["subject"], (theirs,))
        subject_pid = spawn.fork_as(subject, outside, caps, users.job)
        own = (pipes["events"], pipes["reading"], ours)
        inside = spawn.Descriptors(stdin, pipes["stdout"], pipes["stderr"], own)
        return spawn.fork_as(judge, inside, caps, users.judge), subject_pid
    finally:
        for descriptor in (ours, theirs, nothing):
            os.close(descriptor)


def _run_suite(
    arguments: tuple[str, ...],
    environment: Mapping[str, str],
    events: int,
    link: int,
    modules: Sequence[str],
) -> int:
    os.environ.clear()
    os.environ.update(
        environment, HOME=JUDGE_HOME, TMPDIR=JUDGE_TEMPORARY, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"
    )
    tempfile.tempdir = None
    os.chdir(JUDGE_SUITE)
    sys.path.insert(0, JUDGE_SUITE)
    sys.argv = ["pytest", *arguments]
    client = SubjectClient(Link(link), Proxies().proxy, described)
    sys.meta_path.append(SubjectFinder(client, modules))
    sys.modules[SUITE_MODULE] = _suite_module()
    compare_plain_data()
    recorder = Recorder(events, pytest.Session.Interrupted)
    plugins = [recorder, NamesRestored(), JudgePlugin(client, modules)]
    code = int(pytest.main([*arguments, *fixed_options(JUDGE_SUITE)], plugins=plugins))
    recorder.answered(client.answered_operators)
    if not recorder.interrupted:
        recorder.finished(code)
    return code


def _suite_module() -> types.ModuleType:
    module = types.ModuleType(SUITE_MODULE)
    for name in (Finished, Running, Subject, SubjectBroken, SubjectError):
        setattr(module, name.__name__, name)
    return module
