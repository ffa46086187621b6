"""Acceptance of the task `finance-tracker`: each test names the requirement that it judges.

The module is imported inside the tests, so that one that cannot be imported fails tests and never the
collection.
"""

from typing import Any

import pytest

REFUSAL = ValueError
"""The task states the type alone, so there is no message to match."""

DAY = "2024-05-02"


def tracker_of(**balances: int) -> Any:
    from finance_tracker import Tracker

    tracker = Tracker()
    for name, balance in balances.items():
        tracker.add_account(name, balance)
    return tracker


def test_requirement_1_an_account_is_added_once() -> None:
    tracker = tracker_of()

    assert tracker.add_account("cash") is None
    with pytest.raises(REFUSAL):
        tracker.add_account("cash", 5)
    assert tracker.balance("cash") == 0


@pytest.mark.parametrize("name", ["", "  "])
def test_requirement_1_a_blank_name_is_refused(name: str) -> None:
    tracker = tracker_of()

    with pytest.raises(REFUSAL):
        tracker.add_account(name)
    assert tracker.accounts() == []


def test_requirement_2_accounts_are_in_alphabetical_order() -> None:
    tracker = tracker_of(cash=1, bank=2)

    assert tracker.accounts() == ["bank", "cash"]
    assert (tracker.balance("cash"), tracker.balance("bank")) == (1, 2)


def test_requirement_2_an_unknown_account_is_refused() -> None:
    tracker = tracker_of(cash=1)

    with pytest.raises(KeyError):
        tracker.balance("bank")


def test_requirement_3_both_kinds_share_their_ids() -> None:
    tracker = tracker_of(cash=0)

    ids = [
        tracker.add_income("cash", 5, "gift", DAY),
        tracker.add_expense("cash", 5, "food", DAY),
        tracker.add_income("cash", 5, "gift", DAY),
    ]

    assert ids == [1, 2, 3]


def test_requirement_3_an_id_is_never_used_again() -> None:
    tracker = tracker_of(cash=0)
    tracker.add_income("cash", 5, "gift", DAY)
    tracker.delete(1)

    assert tracker.add_expense("cash", 5, "food", DAY) == 2


@pytest.mark.parametrize("method", ["add_income", "add_expense"])
@pytest.mark.parametrize(
    ("amount", "date"),
    [(0, DAY), (-1, DAY), (5, "2024-02-30"), (5, "02.05.2024"), (5, "2024-13-01"), (5, "")],
)
def test_requirement_4_a_wrong_transaction_uses_no_id(method: str, amount: int, date: str) -> None:
    tracker = tracker_of(cash=10)

    with pytest.raises(REFUSAL):
        getattr(tracker, method)("cash", amount, "food", date)
    assert tracker.balance("cash") == 10
    assert tracker.add_income("cash", 5, "gift", DAY) == 1


@pytest.mark.parametrize("method", ["add_income", "add_expense"])
def test_requirement_4_an_unknown_account_is_refused(method: str) -> None:
    tracker = tracker_of(cash=10)

    with pytest.raises(KeyError):
        getattr(tracker, method)("bank", 5, "food", DAY)
    assert tracker.transactions() == []


def test_requirement_5_transactions_change_the_balance() -> None:
    tracker = tracker_of(cash=100, bank=7)

    tracker.add_income("cash", 50, "gift", DAY)
    tracker.add_expense("cash", 200, "food", DAY)

    assert (tracker.balance("cash"), tracker.balance("bank")) == (-50, 7)


def test_requirement_6_a_transaction_is_told_in_full() -> None:
    tracker = tracker_of(cash=0)
    tracker.add_expense("cash", 250, "food", DAY)
    tracker.add_income("cash", 5, "gift", "2024-05-03")

    assert tracker.get(1) == {
        "id": 1,
        "account": "cash",
        "kind": "expense",
        "amount": 250,
        "category": "food",
        "date": DAY,
    }
    assert tracker.get(2)["kind"] == "income"


def test_requirement_6_an_unknown_transaction_is_refused() -> None:
    tracker = tracker_of(cash=0)

    with pytest.raises(KeyError):
        tracker.get(1)


def test_requirement_7_a_deleted_transaction_leaves_the_balance() -> None:
    tracker = tracker_of(cash=100)
    tracker.add_expense("cash", 30, "food", DAY)
    tracker.add_income("cash", 50, "gift", DAY)

    assert tracker.delete(1) is None
    assert tracker.balance("cash") == 150
    tracker.delete(2)
    assert tracker.balance("cash") == 100
    assert tracker.transactions() == []


def test_requirement_7_an_unknown_transaction_is_not_deleted() -> None:
    tracker = tracker_of(cash=100)

    with pytest.raises(KeyError):
        tracker.delete(1)


def test_requirement_8_transactions_are_in_the_order_of_their_dates() -> None:
    tracker = tracker_of(cash=0, bank=0)
    for account, date in (
        ("cash", "2024-05-03"),
        ("bank", "2023-12-31"),
        ("cash", "2024-05-03"),
        ("cash", DAY),
    ):
        tracker.add_income(account, 1, "gift", date)

    assert tracker.transactions() == [2, 4, 1, 3]
    assert tracker.transactions("cash") == [4, 1, 3]


def test_requirement_9_money_moves_between_accounts() -> None:
    tracker = tracker_of(cash=100, bank=0)

    assert tracker.transfer("cash", "bank", 100) is None
    assert (tracker.balance("cash"), tracker.balance("bank")) == (0, 100)
    assert tracker.transactions() == []


@pytest.mark.parametrize(
    ("source", "target", "amount"), [("cash", "cash", 5), ("cash", "bank", 0), ("cash", "bank", 101)]
)
def test_requirement_9_a_wrong_transfer_changes_nothing(source: str, target: str, amount: int) -> None:
    tracker = tracker_of(cash=100, bank=0)

    with pytest.raises(REFUSAL):
        tracker.transfer(source, target, amount)
    assert (tracker.balance("cash"), tracker.balance("bank")) == (100, 0)


def test_requirement_9_an_unknown_account_is_refused() -> None:
    tracker = tracker_of(cash=100)

    with pytest.raises(KeyError):
        tracker.transfer("cash", "bank", 5)
    assert tracker.balance("cash") == 100


def test_requirement_10_all_balances_are_summed() -> None:
    tracker = tracker_of(cash=100, bank=-30)
    tracker.add_expense("cash", 20, "food", DAY)

    assert (tracker.total(), tracker_of().total()) == (50, 0)


def test_requirement_11_sums_are_told_by_category() -> None:
    tracker = tracker_of(cash=0)
    for amount, category, date in ((5, "food", DAY), (7, "food", "2024-06-01"), (9, "rent", DAY)):
        tracker.add_expense("cash", amount, category, date)
    tracker.add_income("cash", 100, "wage", DAY)

    assert tracker.by_category("expense") == {"food": 12, "rent": 9}
    assert tracker.by_category("expense", "2024-06") == {"food": 7}
    assert tracker.by_category("income") == {"wage": 100}


def test_requirement_12_a_month_is_summed_up() -> None:
    tracker = tracker_of(cash=0)
    tracker.add_income("cash", 100, "wage", DAY)
    tracker.add_expense("cash", 130, "rent", "2024-05-31")
    tracker.add_expense("cash", 1000, "rent", "2024-06-01")

    assert tracker.monthly("2024-05") == {"income": 100, "expense": 130, "net": -30}
    assert tracker.monthly("2020-01") == {"income": 0, "expense": 0, "net": 0}


def test_requirement_13_a_budget_is_used_up_month_by_month() -> None:
    tracker = tracker_of(cash=0)
    tracker.add_expense("cash", 30, "food", DAY)
    tracker.add_expense("cash", 5, "rent", DAY)

    assert tracker.set_budget("food", 100) is None
    assert (tracker.remaining("food", "2024-05"), tracker.remaining("food", "2024-06")) == (70, 100)


def test_requirement_13_a_category_without_a_budget_is_refused() -> None:
    tracker = tracker_of(cash=0)
    tracker.add_expense("cash", 30, "food", DAY)

    with pytest.raises(KeyError):
        tracker.remaining("food", "2024-05")


def test_requirement_14_categories_over_their_budget_are_named() -> None:
    tracker = tracker_of(cash=0)
    for category, amount in (("rent", 11), ("food", 12), ("fun", 10), ("gift", 99)):
        tracker.add_expense("cash", amount, category, DAY)
    for category in ("rent", "food", "fun"):
        tracker.set_budget(category, 10)

    assert tracker.over_budget("2024-05") == ["food", "rent"]
    assert tracker.over_budget("2024-06") == []


def test_requirement_15_the_largest_expenses_come_first() -> None:
    tracker = tracker_of(cash=0)
    for amount in (5, 9, 1, 9):
        tracker.add_expense("cash", amount, "food", DAY)
    tracker.add_income("cash", 1000, "wage", DAY)

    assert tracker.largest_expenses() == [(2, 9), (4, 9), (1, 5)]
    assert tracker.largest_expenses(limit=1) == [(2, 9)]
