"""Requirements files as models write them, and as attackers do: a name and versions, or a refused line."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac_sandbox import DependencyRefused, parse_requirement, parse_requirements
from lmac_sandbox.requirement_lines import FILE_BYTES, LINES

TAKEN = {
    "flask": "flask",
    "Flask >= 2.0, < 3": "Flask>=2.0,<3",
    "zope.interface==6.*": "zope.interface==6.*",
    "a~=1!2.0+local": "a~=1!2.0+local",
    "  requests>=2.31   # for the client": "requests>=2.31",
}
REFUSED = {
    "-e .": "option",
    "--index-url http://attacker/simple": "option",
    "-r other.txt": "option",
    "git+https://attacker/x.git": "address",
    "x @ https://attacker/x.whl": "address",
    "https://attacker/x.whl": "address",
    "../x": "address",
    "./x": "address",
    "x.whl": "address",
    "file:x": "no package name",
    "x[extra]": "extras",
    "x; python_version < '4'": "condition",
    "x ; os_name == 'nt'": "condition",
    "x --hash=sha256:00": "no package name",
    "x==1 --no-binary=:all:": "no package name",
    "x===1": "no package name",
    "x>=": "no package name",
    "x,y": "no package name",
    "x y": "no package name",
    "x.": "no package name",
    "x\\": "no package name",
    "$(id)": "no package name",
    "`id`": "no package name",
    "x\x00": "characters",
    "x\x1b[2J": "characters",
    "ехample": "characters",  # noqa: RUF001
    "x" * 300: "longer",
    "y" * 150: "no package name",
}


@pytest.mark.parametrize("line", TAKEN)
def test_a_name_and_its_versions_are_taken(line: str) -> None:
    (requirement,) = parse_requirements(line.encode())

    assert str(requirement) == TAKEN[line]


@pytest.mark.parametrize("line", REFUSED)
def test_anything_else_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(DependencyRefused, match=REFUSED[line]) as refused:
        parse_requirements(b"flask\n\n# a comment\n" + line.encode() + b"\n")

    assert refused.value.message.startswith("requirements.txt, line 4: ")
    assert refused.value.message.isprintable()


def test_comments_and_empty_lines_ask_for_nothing() -> None:
    assert parse_requirements(b"# flask\r\n\r\n\t \n") == ()


def test_a_package_is_named_once_however_it_is_spelt() -> None:
    with pytest.raises(DependencyRefused, match=r"line 2: zope_Interface is named twice"):
        parse_requirements(b"zope.interface\nzope_Interface>1\n")


@pytest.mark.parametrize("content", [b"x" * (FILE_BYTES + 1), b"\n" * (LINES + 1)], ids=["bytes", "lines"])
def test_a_file_without_end_is_not_read(content: bytes) -> None:
    with pytest.raises(DependencyRefused, match="at most"):
        parse_requirements(content)


@given(st.binary(max_size=200))
def test_whatever_is_taken_is_a_name_and_versions_to_pip_as_well(content: bytes) -> None:
    from pip._vendor.packaging.requirements import Requirement

    try:
        taken = parse_requirements(content)
    except DependencyRefused:
        return
    for requirement in taken:
        name_alone = Requirement(requirement.name)
        assert (name_alone.url, name_alone.marker, name_alone.extras) == (None, None, set())


@given(st.text("ab1.-_=<>!~*, +;[@/#\t", max_size=40))
def test_a_line_is_taken_whole_or_not_at_all(line: str) -> None:
    try:
        requirement = parse_requirement(line.strip(), "here")
    except DependencyRefused:
        return
    assert str(requirement) == line.replace(" ", "").replace("\t", "")


def test_the_longest_lines_are_read_at_once() -> None:
    for unit in ("a.", "a,", "=", "a==1,", "-", " ", "a;"):
        started = time.process_time()
        with pytest.raises(DependencyRefused):
            parse_requirements((unit * 99 + "!\n").encode() * 70)
        assert time.process_time() - started < 1.0
