"""A scorer's budget of a day, kept in the journal so that runs at one time, or one after another, share it.

`spending/SCORER/DAY/NUMBER.json` is what a batch may cost, written before it is asked; `NUMBER-spent.json` is what it
cost. A run that dies in between has spent what it set aside.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from decimal import Decimal

from canonry.catalog.specs import JudgeBudget
from canonry.storage import Storage


@dataclass(frozen=True)
class Spent:
    """Calls and US dollars; dollars are None where nothing prices the model."""

    calls: int
    dollars: Decimal | None


@dataclass(frozen=True)
class DayBudget:
    """What one scorer may spend on one day, by UTC."""

    journal: Storage
    scorer: str
    day: dt.date
    limit: JudgeBudget

    def spent(self) -> Spent:
        """What is spent or set aside so far."""
        return self._sum(self._entries())

    def set_aside(self, costs: list[Decimal | None]) -> tuple[int, str]:
        """How many calls of these expected costs, from the first, still fit; and the name to settle them under.

        Nothing fits: 0, and an empty name. Of two runs at once each sees what the other has set aside.
        """
        while True:
            entries = self._entries()
            before = self._sum(entries)
            fitting = self._fitting(costs, before)
            if not fitting:
                return 0, ""
            number = f"{sum(not name.endswith('-spent') for name in entries) + 1:06d}"
            if self.journal.put_if_absent(self._path(number), _document(Spent(fitting, _total(costs[:fitting])))):
                return fitting, number

    def settle(self, number: str, spent: Spent) -> None:
        """Say what a batch cost in the end."""
        self.journal.put_if_absent(self._path(f"{number}-spent"), _document(spent))

    def _fitting(self, costs: list[Decimal | None], before: Spent) -> int:
        fitting = len(costs)
        if self.limit.calls_a_day is not None:
            fitting = min(fitting, max(self.limit.calls_a_day - before.calls, 0))
        if self.limit.dollars_a_day is not None:
            left = self.limit.dollars_a_day - (before.dollars or Decimal(0))
            for at, cost in enumerate(costs[:fitting]):
                left -= cost or Decimal(0)
                if left < 0:
                    return at
        return fitting

    def _entries(self) -> dict[str, Spent]:
        found = {}
        for entry in self.journal.list(f"spending/{self.scorer}/{self.day}"):
            document = json.loads(self.journal.read(entry.path))
            dollars = document["dollars"]
            name = entry.path.rpartition("/")[2].removesuffix(".json")
            found[name] = Spent(document["calls"], None if dollars is None else Decimal(dollars))
        return found

    def _sum(self, entries: dict[str, Spent]) -> Spent:
        last = [entries.get(f"{name}-spent", spent) for name, spent in entries.items() if not name.endswith("-spent")]
        return Spent(sum(each.calls for each in last), _total([each.dollars for each in last]))

    def _path(self, name: str) -> str:
        return f"spending/{self.scorer}/{self.day}/{name}.json"


def _total(costs: list[Decimal | None]) -> Decimal | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known, Decimal(0)) if known or not costs else None


def _document(spent: Spent) -> bytes:
    dollars = None if spent.dollars is None else str(spent.dollars)
    return json.dumps({"calls": spent.calls, "dollars": dollars}, sort_keys=True).encode() + b"\n"
