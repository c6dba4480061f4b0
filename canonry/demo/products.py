"""Who uses the assistant, and when: three products of two teams over fourteen days. All of this is simulated."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from canonry.demo.questions import Question

FIRST_DAY = dt.date(2026, 11, 2)
DAYS = tuple(FIRST_DAY + dt.timedelta(days=number) for number in range(14))
"""A Monday, and the thirteen days after it."""

LATEST = dt.timedelta(days=2)
"""The longest a user waits before giving a thumb."""

PROVIDER_UPDATE = dt.datetime(2026, 11, 11, 12)
"""When who serves the model updates it, and tells nobody: simulated. Asked the same, it answers at more length."""

FINGERPRINTS = ("fp-2f81", "fp-9c04")
"""What the answers say of the configuration that serves them: before the update and since."""

OLD, NEW = "1.0", "1.1"
"""Versions of the answerer."""

_PASTED = 0.006
"""Share of questions that come with pages of the user's own, which the assistant refuses."""

_LONG_STORY = "This is what I tried before, and what I saw. " * 40


@dataclass(frozen=True)
class Product:
    """A product that calls the assistant."""

    name: str
    team: str
    features: tuple[str, ...]
    """The most used first; each is used half as often as the one before."""
    calls: tuple[int, int]
    """A day's calls, about: on a working day, on the weekend."""
    users: int
    rollout: dt.date
    """First day on which every call is answered by the new version."""
    canary: dt.date | None = None
    """First day on which half of the users get the new version; None where there was no canary."""
    caches: bool = False
    """Whether an answer is kept for whoever asks the same later that day."""
    instruction: str | None = None
    """What the product writes before the canonical prompt, without having it registered."""
    instructed: dt.date | None = None
    """First day on which it does."""


PRODUCTS = (
    Product(
        "docs-site",
        "docs-experience",
        ("search", "page-helper"),
        (100, 55),
        users=400,
        rollout=dt.date(2026, 11, 9),
        caches=True,
    ),
    Product(
        "ide-plugin",
        "docs-experience",
        ("hover", "chat"),
        (58, 16),
        users=90,
        rollout=dt.date(2026, 11, 12),
        canary=dt.date(2026, 11, 10),
    ),
    Product(
        "support-desk",
        "support",
        ("reply-draft", "triage"),
        (38, 8),
        users=14,
        rollout=dt.date(2026, 11, 9),
        instruction="You write to a customer of ours: greet them, and be brief.",
        instructed=dt.date(2026, 11, 12),
    ),
)


@dataclass(frozen=True)
class PlannedCall:
    """One question of one user."""

    number: int
    """Its place among the product's calls of the day."""
    product: Product
    feature: str
    asked_at: dt.datetime
    question: Question
    version: str
    arm: str | None
    user: str
    session: str

    @property
    def updated(self) -> bool:
        """Whether the provider's silent update answers it."""
        return self.asked_at >= PROVIDER_UPDATE

    @property
    def trace_id(self) -> str:
        """The same whenever this day is played: 32 hex digits."""
        return digest("trace", self.product.name, self.asked_at.date(), self.number)

    @property
    def instruction(self) -> str | None:
        """What the product writes before the canonical prompt that day."""
        since = self.product.instructed
        return self.product.instruction if since and self.asked_at.date() >= since else None

    @property
    def span_id(self) -> str:
        """16 hex digits."""
        return self.trace_id[:16]


def plan_day(day: dt.date, questions: Sequence[Question]) -> list[PlannedCall]:
    """A day's calls of every product, in order of time. The same day and questions give the same calls."""
    calls = [call for product in PRODUCTS for call in _of_product(product, day, questions)]
    return sorted(calls, key=lambda call: (call.asked_at, call.trace_id))


def seeded(*parts: object) -> np.random.Generator:
    """A generator that depends on these parts only."""
    return np.random.default_rng(int(digest(*parts), 16))


def digest(*parts: object) -> str:
    """32 hex digits of these parts."""
    return hashlib.blake2b("\x1f".join(map(str, ("canonry-demo", *parts))).encode(), digest_size=16).hexdigest()


def _of_product(product: Product, day: dt.date, questions: Sequence[Question]) -> Iterator[PlannedCall]:
    chance = seeded("calls", product.name, day)
    count = int(chance.poisson(product.calls[day.weekday() >= 5]))
    # What is asked often differs by product, not by day.
    popular = seeded("questions", product.name).permutation(len(questions))
    asked = chance.choice(popular, size=count, p=_falling(len(questions), offset=12))
    number = 0
    while number < count:
        user = int(chance.choice(product.users, p=_falling(product.users, offset=5)))
        session = digest("session", product.name, day, number)[:16]
        moment = dt.datetime.combine(day, dt.time(7)) + dt.timedelta(seconds=float(chance.beta(2, 2)) * 13 * 3_600)
        feature = str(chance.choice(product.features, p=_halving(len(product.features))))
        for _ in range(min(int(chance.geometric(0.6)), count - number)):
            question = questions[asked[number]]
            if chance.random() < _PASTED:
                question = Question(f"{question.text}\n\n{_LONG_STORY}", question.document_id)
            version, arm = _version(product, day, user)
            identity = digest("user", product.name, user)[:16]
            yield PlannedCall(number, product, feature, moment, question, version, arm, identity, session)
            moment += dt.timedelta(seconds=float(chance.exponential(70)) + 8)
            number += 1


def _version(product: Product, day: dt.date, user: int) -> tuple[str, str | None]:
    if product.canary and product.canary <= day < product.rollout:
        new = user % 2 == 0
        return (NEW, "canary") if new else (OLD, "control")
    return (NEW if day >= product.rollout else OLD), None


def _falling(count: int, offset: int) -> np.ndarray:
    """Zipf's law, its head flattened so that no single question decides a rate."""
    weights = 1 / (np.arange(count) + offset)
    return weights / weights.sum()


def _halving(count: int) -> np.ndarray:
    weights = 0.5 ** np.arange(count)
    return weights / weights.sum()
