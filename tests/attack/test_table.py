"""The table itself: every number of the threat model has a row, and every row a number."""

from __future__ import annotations

import re
from pathlib import Path

from attack.table import ATTACKS, BENIGN

THREATS = Path(__file__).parents[2] / "sandbox" / "THREATS.md"


def numbers_of_the_threat_model() -> list[int]:
    """The first column of its table."""
    return [int(number) for number in re.findall(r"^\| (\d+) \|", THREATS.read_text("utf-8"), re.MULTILINE)]


def test_every_number_of_the_threat_model_is_covered_by_a_row() -> None:
    numbers = numbers_of_the_threat_model()

    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 74
    assert {number for attack in ATTACKS for number in attack.numbers} == set(numbers)


def test_every_row_has_a_name_of_its_own() -> None:
    names = [str(row) for row in (*ATTACKS, *BENIGN)]

    assert len(names) == len(set(names))


def test_the_threat_model_names_every_honest_program() -> None:
    text = THREATS.read_text("utf-8")

    assert len(BENIGN) >= 20
    assert [row.name for row in BENIGN if row.name not in text] == []
