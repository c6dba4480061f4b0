"""Rules of a scorer: what each looks for in an answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from canonry.catalog.specs.base import Name, Strict

LanguageCode = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]


class Matches(Strict):
    """1 where a regular expression finds something in the answer, else 0."""

    check: Literal["matches"] = Field(description="A regular expression.")
    metric: Name = Field(description="Name of the figure in lake/scores.")
    pattern: str = Field(description="RE2 syntax; (?i) at its start ignores case.", min_length=1)


class IsJson(Strict):
    """1 where the answer is JSON, and what the schema says, else 0."""

    check: Literal["json"] = Field(description="A JSON Schema.")
    metric: Name = Field(description="Name of the figure in lake/scores.")
    schema_: dict[str, Any] = Field(
        {}, alias="schema", description="JSON Schema, draft 2020-12; without one any JSON will do."
    )


class Length(Strict):
    """How long the answer is."""

    check: Literal["length"] = Field(description="A count.")
    metric: Name = Field(description="Name of the figure in lake/scores.")
    unit: Literal["characters", "words", "sentences"] = Field("words", description="What is counted.")


class Refusal(Strict):
    """1 where the answer declines to answer, else 0."""

    check: Literal["refusal"] = Field(description="Phrases of refusal, English unless given.")
    metric: Name = Field("refusal", description="Name of the figure in lake/scores.")
    phrases: tuple[str, ...] = Field((), description="Further phrases; case does not matter.")


class Language(Strict):
    """1 where the answer is in another language than these, else 0; no figure for what is too short to tell."""

    check: Literal["language"] = Field(description="A language that was not expected.")
    metric: Name = Field("unexpected_language", description="Name of the figure in lake/scores.")
    expected: tuple[LanguageCode, ...] = Field(description="Codes of ISO 639: en, de, …", min_length=1)
    among: tuple[LanguageCode, ...] = Field(
        (), description="Languages it can be at all: few are told apart better. Without them, 142 are weighed."
    )
    least_characters: int = Field(40, description="Shorter answers are too short to tell.", gt=0)


class Words(Strict):
    """1 where the answer has one of these words, else 0."""

    check: Literal["words"] = Field(description="A list of words.")
    metric: Name = Field("toxicity", description="Name of the figure in lake/scores.")
    words: tuple[str, ...] = Field((), description="Whole words or phrases; case does not matter.")
    toxic: bool = Field(True, description="Also the English insults and slurs that Canonry carries.")


Rule = Annotated[Matches | IsJson | Length | Refusal | Language | Words, Field(discriminator="check")]
