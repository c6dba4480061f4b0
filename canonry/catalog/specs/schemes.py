"""Labeling schemes: what reviewers are asked, and what becomes of their answers."""

from __future__ import annotations

import re
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from canonry.catalog.specs.base import Name, Spec, Strict
from canonry.catalog.specs.sampling import Sampling


class Choice(Strict):
    """A question with a closed answer."""

    name: Name = Field(description="Field of the result.")
    question: str = Field(description="What the reviewer is asked.")
    choices: tuple[str, ...] = Field(description="Answers, exclusive.", min_length=2)
    level: Literal["nominal", "ordinal", "interval"] = Field(
        "nominal",
        description="`ordinal`: `choices` are in order. `interval`: they are numbers, and their distances count.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for place, each in enumerate(self.choices if self.level == "interval" else ()):
            if not re.fullmatch(r"[-+]?\d+(\.\d+)?", each):
                raise ValueError(f"choices.{place}: {each!r} is not a number, as the level `interval` needs")
        if len(set(self.choices)) < len(self.choices):
            raise ValueError("choices: an answer is named twice")
        return self


class Consensus(Strict):
    """How several people's answers to an item become one."""

    method: Literal["dawid_skene", "majority"] = Field(
        "dawid_skene",
        description="`dawid_skene`: votes weigh as their annotators prove reliable, all alike while little is known.",
    )
    min_confidence: float = Field(
        0.8, description="Items whose consensus is less sure are to be adjudicated.", ge=0, le=1
    )
    history_days: int = Field(
        28, description="Days of draws, an estimate's own included, that annotators' reliability is read from.", gt=0
    )
    adjudicators: tuple[str, ...] = Field(
        (), description="Annotators, as annotator_hash names them, whose answer overrules all others."
    )


class Agreement(Strict):
    """How far annotators must agree."""

    alpha_floor: float = Field(
        0.67, description="Krippendorff's alpha that the interval's lower end must reach, in every choice.", ge=-1, le=1
    )
    minimum_items: int = Field(
        20, description="Items with two answers; with fewer, agreement is refused a figure.", gt=1
    )


class Splits(Strict):
    """Shares of the groups of a gold set that are to train, calibrate and test with."""

    train: float = Field(0.6, description="To learn from.", ge=0, le=1)
    calibration: float = Field(0.2, description="To choose thresholds with.", ge=0, le=1)
    test: float = Field(0.2, description="To judge with, and for nothing else.", ge=0, le=1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if abs(self.train + self.calibration + self.test - 1) > 1e-9:
            raise ValueError(
                f"train, calibration and test come to {self.train + self.calibration + self.test:g}, not 1"
            )
        return self


class Gold(Strict):
    """How a gold set is split. A group that was seen stays in its split, also where this is changed later."""

    group: tuple[Literal["session", "question", "document"], ...] = Field(
        ("session", "question"),
        description="What two items must not share across splits: the session, the question's words, the document of "
        "the first passage.",
        min_length=1,
    )
    split: Splits = Field(Splits(), description="Shares for groups not seen before.")


class KnownAnswers(Strict):
    """Items whose answer is known, mixed among the drawn ones to watch annotators; part of no estimate."""

    share: float = Field(0.05, description="How many there are for each drawn item, on average.", gt=0, le=0.5)
    file: str | None = Field(
        None,
        description="JSON Lines in the exchange: id, product, question, passages (chunk_id, text), answer, answers by "
        "choice. Without it, items of the gold set in production on which people agreed surely.",
    )


class SchemeSpec(Spec):
    """A labeling scheme: what reviewers see, what they answer, and how items are chosen."""

    folder: ClassVar[str] = "schemes"

    version: int = Field(description="Raise it when questions change; old labels stay with theirs.", gt=0)
    instructions: str = Field(description="What reviewers read first.", min_length=10)
    choices: tuple[Choice, ...] = Field(description="Questions to answer for each item.", min_length=1)
    spans: tuple[str, ...] = Field((), description="Labels for marked passages of the answer.")
    predicted_by: str | None = Field(
        None,
        description="Scorer, as in lake/scores, whose marks reviewers may be shown; its labels are those of `spans`.",
    )
    predictions: Literal["hidden", "shown"] | None = Field(
        None,
        description="Whether reviewers see them. Without it, they do where the design is for training only: what is "
        "shown draws answers towards it, and estimates with them.",
    )
    known_answers: KnownAnswers | None = Field(None, description="Without it, none are mixed in.")
    recall_after_days: int | None = Field(
        None,
        description="Items that nobody labeled so many days after they were sent are taken off the server and count as "
        "missing; without it, they wait for ever.",
        gt=0,
    )
    consensus: Consensus = Field(Consensus(), description="How several people's answers become one.")
    agreement: Agreement = Field(Agreement(), description="How far annotators must agree.")
    gold: Gold = Field(Gold(), description="How the gold set is split.")
    sampling: Sampling = Field(description="How items are chosen.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.predicted_by is not None and not self.spans:
            raise ValueError("predicted_by: a scorer's marks need labels in `spans`")
        if self.predictions == "shown" and self.predicted_by is None:
            raise ValueError("predictions: `shown` needs `predicted_by`, the scorer whose marks are shown")
        return self
