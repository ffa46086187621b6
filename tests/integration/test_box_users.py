"""The users of a box: of that box alone, with names, and each with folders that no other can enter."""

from __future__ import annotations

import json

import pytest

from judged_boxes import Judge, outcomes
from lmac.checks import TestCheck
from lmac_sandbox import Box, Engine, Job, Keeper, Limits, Owner, Volume

pytestmark = pytest.mark.engine

WHO = """\
import getpass, json, os, pwd, subprocess
print(json.dumps({
    "id": os.getuid(),
    "ids": sorted({*os.getresuid(), *os.getresgid(), os.stat('/scratch').st_uid, os.stat('.').st_uid}),
    "groups": os.getgroups(),
    "names": [getpass.getuser(), pwd.getpwuid(os.getuid()).pw_name, subprocess.getoutput('id -un'),
              subprocess.getoutput('id -gn'), os.path.basename(os.path.expanduser('~job'))],
}))
"""
NODE_WHO = "const u = require('os').userInfo(); console.log(JSON.stringify([u.username, u.uid, u.gid]))"
FAILING = "import os\ndef test_a():\n    assert os.getuid() == 0, f'{os.getuid()} in {os.getpid() > 1}'\n"

REACHED = """\
import os
def reached(folder):
    told = []
    for action in (os.listdir, os.chdir, lambda path: os.listdir(path + '/home'),
                   lambda path: open(path + '/new', 'w'), lambda path: os.chmod(path, 0o777)):
        try: action(folder)
        except PermissionError: continue
        told.append('ALLOWED')
    status = os.stat(folder)
    return told, oct(status.st_mode & 0o7777), status.st_uid == status.st_gid != os.getuid()
"""


def test_two_boxes_have_different_users_by_the_same_names(
    engine: Engine, volume: Volume, keeper: Keeper, image_id: str, owner: Owner, box: Box
) -> None:
    with Box.start(engine, volume, image_id, owner, Limits()) as other:
        one, two = (json.loads(each.run(Job(("python3", "-c", WHO))).stdout.head) for each in (box, other))

    assert one["id"] != two["id"]
    for told in (one, two):
        assert told["ids"] == [told["id"]]
        assert told["groups"] == []
        assert told["names"] == ["job", "job", "job", "job", "scratch"]


def test_the_image_of_javascript_knows_them_too(
    engine: Engine, volume: Volume, keeper: Keeper, node_image_id: str, owner: Owner
) -> None:
    with Box.start(engine, volume, node_image_id, owner, Limits()) as box:
        result = box.run(Job(("node", "-e", NODE_WHO)))
        modes = box.run(Job(("stat", "-c", "%a %U", "/scratch", "/judge")))

    name, uid, gid = json.loads(result.stdout.head)
    assert name == "job"
    assert uid == gid == result.user_ids[0]
    assert modes.stdout.text() == "700 job\n700 judge\n"


def test_a_failure_reads_the_same_from_every_box(
    engine: Engine, volume: Volume, keeper: Keeper, image_id: str, owner: Owner, box: Box
) -> None:
    keeper.write("test_it.py", FAILING.encode())
    texts = []
    with Box.start(engine, volume, image_id, owner, Limits()) as other:
        for each in (box, other):
            each.snapshot()
            judged = TestCheck().judge(each.run(TestCheck().job()))
            texts.append([finding.text for finding in judged.findings])

    assert texts[0] == texts[1]
    assert "[uid] in True" in texts[0][0]


def test_neither_user_can_list_or_enter_what_is_the_others(judge_in_box: Judge) -> None:
    suite = f"""\
{REACHED}
def test_the_subject_stays_outside():
    import subject_code
    assert subject_code.reached('/judge') == ([], '0o700', True)

def test_the_judge_stays_outside():
    assert reached('/scratch') == ([], '0o700', True)
"""
    judged, result = judge_in_box({"subject_code.py": REACHED}, {"test_it.py": suite})

    assert outcomes(result) == {
        "test_the_subject_stays_outside": "passed",
        "test_the_judge_stays_outside": "passed",
    }, judged.findings


def test_a_job_without_a_judge_cannot_enter_the_judges_folder_either(box: Box) -> None:
    result = box.run(Job(("python3", "-c", f"{REACHED}\nprint(*reached('/judge'))")))

    assert result.stdout.text() == "[] 0o700 True\n", result.stderr.text()
