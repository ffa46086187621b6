"""Accounts and transactions: reference solution of the task `finance-tracker`."""

import re
from collections import Counter
from dataclasses import dataclass
from datetime import date as Date


@dataclass(frozen=True)
class Transaction:
    """One income or expense."""

    number: int
    account: str
    kind: str
    amount: int
    category: str
    date: str

    @property
    def change(self) -> int:
        return self.amount if self.kind == "income" else -self.amount


class Tracker:
    """All accounts, their transactions and the budgets."""

    def __init__(self) -> None:
        self._balances: dict[str, int] = {}
        self._transactions: dict[int, Transaction] = {}
        self._budgets: dict[str, int] = {}
        self._last_id = 0

    def add_account(self, name: str, balance: int = 0) -> None:
        """Raises ValueError for a blank or taken name."""
        if not name.strip() or name in self._balances:
            raise ValueError(f"{name!r} is blank or taken")
        self._balances[name] = balance

    def accounts(self) -> list[str]:
        return sorted(self._balances)

    def balance(self, account: str) -> int:
        return self._balances[account]

    def add_income(self, account: str, amount: int, category: str, date: str) -> int:
        return self._add(account, "income", amount, category, date)

    def add_expense(self, account: str, amount: int, category: str, date: str) -> int:
        return self._add(account, "expense", amount, category, date)

    def get(self, transaction_id: int) -> dict[str, object]:
        held = self._transactions[transaction_id]
        return {
            "id": held.number,
            "account": held.account,
            "kind": held.kind,
            "amount": held.amount,
            "category": held.category,
            "date": held.date,
        }

    def delete(self, transaction_id: int) -> None:
        held = self._transactions.pop(transaction_id)
        self._balances[held.account] -= held.change

    def transactions(self, account: str | None = None) -> list[int]:
        if account is not None:
            self.balance(account)
        held = [one for one in self._transactions.values() if account in (None, one.account)]
        return [one.number for one in sorted(held, key=lambda one: (one.date, one.number))]

    def transfer(self, source: str, target: str, amount: int) -> None:
        """Raises KeyError or ValueError; nothing changed then."""
        if self.balance(source) < amount or amount <= 0 or source == target:
            raise ValueError(f"{amount} cannot go from {source} to {target}")
        self._balances[target] += amount
        self._balances[source] -= amount

    def total(self) -> int:
        return sum(self._balances.values())

    def by_category(self, kind: str, month: str | None = None) -> dict[str, int]:
        sums: Counter[str] = Counter()
        for held in self._of(kind, month):
            sums[held.category] += held.amount
        return dict(sums)

    def monthly(self, month: str) -> dict[str, int]:
        income, expense = (
            sum(held.amount for held in self._of(kind, month)) for kind in ("income", "expense")
        )
        return {"income": income, "expense": expense, "net": income - expense}

    def set_budget(self, category: str, amount: int) -> None:
        self._budgets[category] = amount

    def remaining(self, category: str, month: str) -> int:
        return self._budgets[category] - self.by_category("expense", month).get(category, 0)

    def over_budget(self, month: str) -> list[str]:
        return sorted(category for category in self._budgets if self.remaining(category, month) < 0)

    def largest_expenses(self, limit: int = 3) -> list[tuple[int, int]]:
        held = sorted(self._of("expense", None), key=lambda one: (-one.amount, one.number))
        return [(one.number, one.amount) for one in held[:limit]]

    def _of(self, kind: str, month: str | None) -> list[Transaction]:
        return [
            held
            for held in self._transactions.values()
            if held.kind == kind and (month is None or held.date.startswith(f"{month}-"))
        ]

    def _add(self, account: str, kind: str, amount: int, category: str, date: str) -> int:
        self.balance(account)
        if amount <= 0 or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", date):
            raise ValueError(f"{amount} on {date!r}")
        Date.fromisoformat(date)
        self._last_id += 1
        held = Transaction(self._last_id, account, kind, amount, category, date)
        self._transactions[held.number] = held
        self._balances[account] += held.change
        return held.number
