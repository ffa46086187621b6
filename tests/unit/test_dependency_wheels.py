"""Resolving and fetching by the real pip, from an index on loopback that does what it likes."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lmac_sandbox import (
    DependencyRefused,
    ImageMismatch,
    PackageUnavailable,
    PinnedWheel,
    Requirement,
    parse_requirements,
)
from lmac_sandbox.dependency_wheels import WheelSource
from lmac_sandbox.pip_settings import pip_environment, without_passwords
from wheel_index import TARGET, WheelIndex, pin_of, wheel


@pytest.fixture
def index() -> Iterator[WheelIndex]:
    with WheelIndex() as serving:
        yield serving


@pytest.fixture
def source(index: WheelIndex, tmp_path: Path) -> WheelSource:
    return WheelSource(index.url, tmp_path / "cache", most_packages=3, file_bytes=200_000, seconds=60)


def asked(text: str) -> tuple[Requirement, ...]:
    return parse_requirements(text.encode())


def resolved(source: WheelSource, text: str, *allowed: str) -> tuple[PinnedWheel, ...]:
    return source.resolve(asked(text), asked("\n".join(allowed)), TARGET)


def left_behind(source: WheelSource) -> list[str]:
    return [path.name for path in source.cache_folder.iterdir() if path.name.startswith("partial-")]


def test_packages_are_pinned_with_all_that_they_need(index: WheelIndex, source: WheelSource) -> None:
    alpha = index.publish("alpha", needs=["beta>=1"])
    index.publish("beta", "0.9")
    beta = index.publish("beta", "1.5")

    assert resolved(source, "alpha\n") == (alpha, beta)
    assert left_behind(source) == []


def test_what_is_fetched_once_is_not_fetched_again(index: WheelIndex, source: WheelSource) -> None:
    pins = [index.publish("alpha"), index.publish("beta")]

    paths = source.fetch(pins, TARGET)
    index.asked.clear()
    for path in paths:
        os.utime(path, (1, 1))

    assert source.fetch(pins, TARGET) == paths
    assert index.asked == []
    # Used just now: no prune takes them.
    assert all(time.time() - path.stat().st_mtime < 3600 for path in paths)
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths] == [pin.sha256 for pin in pins]


def test_conditions_are_answered_for_the_image_and_not_for_this_host(
    index: WheelIndex, source: WheelSource
) -> None:
    conditions = ("python_full_version == '3.11.2'", "python_version < '3.11'", "platform_machine == 'arm64'")
    index.publish("alpha", needs=[f"{name}; {one}" for name, one in zip("bcd", conditions, strict=True)])
    for name in "bcd":
        index.publish(name)

    assert [pin.name for pin in resolved(source, "alpha\n")] == ["alpha", "b"]


def test_versions_that_are_allowed_bind_what_comes_along_too(index: WheelIndex, source: WheelSource) -> None:
    index.publish("alpha", needs=["beta"])
    index.publish("beta", "2.0")
    older = index.publish("beta", "1.0")

    assert older in resolved(source, "alpha\n", "beta==1.0")


def test_what_the_image_brings_is_not_fetched(index: WheelIndex, source: WheelSource) -> None:
    index.publish("pytest", "9.2.0")
    index.publish("pytest", "10.0")
    alpha = index.publish("alpha", needs=["pytest"])

    assert resolved(source, "alpha\npytest>=8\n") == (alpha,)


def test_an_index_need_not_have_what_the_image_brings(index: WheelIndex, source: WheelSource) -> None:
    alpha = index.publish("alpha", needs=["pytest>=9"])

    assert resolved(source, "alpha\npytest\n") == (alpha,)


def test_versions_that_contradict_the_image_are_refused(index: WheelIndex, source: WheelSource) -> None:
    index.publish("pytest", "9.2.0")
    index.publish("pytest", "10.0")

    with pytest.raises(DependencyRefused, match="pytest"):
        resolved(source, "pytest>=10\n")


def test_a_package_that_does_not_exist_is_refused_by_its_name(source: WheelSource) -> None:
    with pytest.raises(
        DependencyRefused, match="No matching distribution found for nothing-like-this"
    ) as said:
        resolved(source, "nothing-like-this\n")
    assert str(source.cache_folder) not in said.value.message


def test_more_packages_than_allowed_are_refused(index: WheelIndex, source: WheelSource) -> None:
    index.publish("alpha", needs=["b", "c", "d"])
    for name in "bcd":
        index.publish(name)

    with pytest.raises(DependencyRefused, match=r"comes to 4 packages .* at most 3"):
        resolved(source, "alpha\n")


def test_a_package_that_has_only_sources_is_refused_and_nothing_of_it_runs(
    index: WheelIndex, source: WheelSource, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    sources = io.BytesIO()
    with tarfile.open(fileobj=sources, mode="w:gz") as archive:
        script = f"open({str(ran)!r}, 'w')\n".encode()
        member = tarfile.TarInfo("alpha-1.0/setup.py")
        member.size = len(script)
        archive.addfile(member, io.BytesIO(script))
    index.files["alpha-1.0.tar.gz"] = sources.getvalue()

    with pytest.raises(DependencyRefused, match="alpha"):
        resolved(source, "alpha\n")
    assert not ran.exists()


def test_a_wheel_whose_bytes_have_changed_is_not_used(index: WheelIndex, source: WheelSource) -> None:
    pin = index.publish("alpha")
    index.files[pin.file] = wheel("alpha", files={"alpha.py": "changed = True\n"})

    with pytest.raises(ImageMismatch, match="another digest"):
        source.fetch([pin], TARGET)
    assert left_behind(source) == []
    assert not (source.cache_folder / "packages").exists()


def test_an_index_that_owns_up_to_the_change_is_not_believed_either(
    index: WheelIndex, source: WheelSource
) -> None:
    pin = index.publish("alpha")
    index.publish("alpha", files={"alpha.py": "changed = True\n"})

    with pytest.raises(ImageMismatch, match="another digest"):
        source.fetch([pin], TARGET)


def test_an_index_without_digests_is_held_to_the_bytes_that_came(
    index: WheelIndex, source: WheelSource
) -> None:
    alpha = index.publish("alpha")
    index.digests[alpha.file] = ""

    assert resolved(source, "alpha\n") == (alpha,)


def test_an_index_that_lies_about_a_digest_gives_nothing(index: WheelIndex, source: WheelSource) -> None:
    index.digests[index.publish("alpha").file] = "0" * 64

    with pytest.raises(ImageMismatch, match="another digest"):
        source.fetch(resolved(source, "alpha\n"), TARGET)


def test_a_wheel_without_end_is_given_up(index: WheelIndex, source: WheelSource) -> None:
    content = wheel("alpha", files={"alpha.bin": bytes(range(256)) * 100}) + bytes(2_000_000)
    pin = pin_of("alpha", content)
    index.files[pin.file] = content

    with pytest.raises(DependencyRefused, match="a wheel may have 200,000 bytes"):
        source.fetch([pin], TARGET)
    assert left_behind(source) == []


def test_an_index_that_does_not_answer_is_nobodys_mistake(
    source: WheelSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_RETRIES", "1")
    with WheelIndex() as gone:
        address = gone.url
    unreachable = replace(source, index_url=address)

    with pytest.raises(PackageUnavailable, match="packages cannot be fetched now"):
        unreachable.resolve(asked("alpha\n"), (), TARGET)


def test_of_the_users_pip_only_the_way_to_the_index_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://user:secret@mirror/simple\nno-binary = :all:\ntarget = /nowhere\n"
        "[download]\nproxy = http://proxy:1\n"
    )
    for name in ("PIP_FIND_LINKS", "PIP_CERT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.setenv("PIP_TARGET", "/somewhere")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("OPENAI_API_KEY", "secret")

    own = pip_environment(None, tmp_path)
    named = pip_environment("https://other/simple", tmp_path)

    assert own["PIP_INDEX_URL"] == "https://user:secret@mirror/simple"
    assert named["PIP_INDEX_URL"] == "https://other/simple"
    assert own["PIP_PROXY"] == named["PIP_PROXY"] == "http://proxy:1"
    assert {"PIP_NO_BINARY", "PIP_TARGET", "PYTHONPATH", "OPENAI_API_KEY"}.isdisjoint({*own, *named})


def test_passwords_of_addresses_are_not_told() -> None:
    said = "Looking in https://user:secret@mirror/simple, http://token@other/"

    assert without_passwords(said) == "Looking in https://mirror/simple, http://other/"


@pytest.mark.parametrize(
    "change",
    [{"name": "-e"}, {"version": "1.0 --pre"}, {"file": "../x.whl"}, {"file": "x.tar.gz"}, {"sha256": "0"}],
    ids=str,
)
def test_a_pin_that_is_none_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="no pin of a wheel"):
        replace(pin_of("alpha", b""), **change)
