"""The specs: one class a kind of file in `assets/`. Values with a history are lists of dated entries."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from canonry.catalog.redaction import Redaction

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=80)]
"""A name: letters, digits, dots, dashes, underscores."""

Price = Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=6)]
"""US dollars for a million tokens."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Spec(_Strict):
    """What every governed file says."""

    folder: ClassVar[str]

    description: str = Field(description="What it is and for whom, in a sentence or two.", min_length=10)
    owner: str = Field(description="Team or person who answers for it.", min_length=2)
    tags: tuple[Name, ...] = Field((), description="Free labels, shown in the graph.")


class Lookup(_Strict):
    """A second file whose columns the expressions may use, joined on one key."""

    location: str = Field(description="File, folder, glob or object-store URL; ${NAME} takes the environment.")
    format: Literal["jsonl", "csv", "parquet"] = Field(description="How the file is written.")
    key: str = Field(description="Column, in both files, to join on; unique in this one.")


class Emit(_Strict):
    """One kind of event made from each row."""

    event: Literal["inferences", "steps", "feedback", "annotations"] = Field(description="Kind of event.")
    fields: dict[str, str] = Field(
        description="Event field: SQL expression over the file's columns (and `lookup.column`).", min_length=1
    )
    where: str | None = Field(None, description="SQL condition; rows that fail it make no event of this kind.")


class SourceSpec(Spec):
    """Where events come from: products that push, or a folder of files that is watched."""

    folder: ClassVar[str] = "sources"

    type: Literal["push", "file_drop"] = Field(description="`push`: client or HTTP. `file_drop`: files at a location.")
    location: str | None = Field(None, description="file_drop: file, folder, glob or object-store URL.")
    format: Literal["jsonl", "csv", "parquet"] | None = Field(None, description="file_drop: plain or gzip.")
    lookups: dict[Name, Lookup] = Field({}, description="file_drop: other files to join.")
    emits: tuple[Emit, ...] = Field((), description="file_drop: the events each row makes.")
    optional: bool = Field(False, description="file_drop: nothing at the location is not an error.")
    redaction: Redaction | None = Field(
        None, description="What happens to text before it is stored; without it, text is kept. Users' ids never are."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.type == "file_drop":
            missing = [name for name in ("location", "format", "emits") if not getattr(self, name)]
            if missing:
                raise ValueError(f"a file_drop needs {', '.join(missing)}")
        elif self.location or self.format or self.emits or self.lookups:
            raise ValueError("a push source takes no location, format, lookups or emits")
        if "rows" in self.lookups:
            raise ValueError("lookups.rows: `rows` is the source's own file; give the lookup another name")
        return self


class ModelPrice(_Strict):
    """A price that holds from a day on, instead of the public price list's."""

    valid_from: dt.date = Field(description="First day it holds, UTC.")
    input_mtok: Price = Field(description="US dollars for a million input tokens.")
    output_mtok: Price = Field(description="US dollars for a million output tokens.")
    cache_read_mtok: Price | None = Field(None, description="US dollars for a million cached input tokens.")
    cache_write_mtok: Price | None = Field(None, description="US dollars for a million tokens written to the cache.")
    reason: str = Field(description="Where the price comes from: a contract, an internal rate, …", min_length=3)


class StageMove(_Strict):
    """A model's stage from a day on."""

    stage: Literal["candidate", "production", "deprecated", "retired"] = Field(description="The new stage.")
    since: dt.date = Field(description="First day, UTC.")
    reason: str = Field(description="Why.", min_length=3)


class Encoder(_Strict):
    """How an embedding model is found, verified and run."""

    package: str = Field(description="Python package that carries the weights.")
    path: str = Field(description="Folder of the model inside the package.")
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] = Field(description="Of model.safetensors.")
    dimension: int = Field(description="Length of a vector.", gt=0)
    max_tokens: int = Field(description="Longest text it sees; the rest is cut.", gt=0)
    normalize: bool = Field(True, description="Vectors have length 1, so that inner product is cosine.")


class ModelSpec(Spec):
    """A model teams may use: a generative one, or the encoder of indexes."""

    folder: ClassVar[str] = "models"

    role: Literal["chat", "encoder"] = Field(description="What it is for.")
    provider: str = Field(description="Who serves it, as in gen_ai.provider.name.")
    versions: tuple[str, ...] = Field((), description="Values of response_model that are this model.")
    stages: tuple[StageMove, ...] = Field(
        description="Its history, oldest first; append, never overwrite.", min_length=1
    )
    prices: tuple[ModelPrice, ...] = Field((), description="Own prices, oldest first; append, never overwrite.")
    encoder: Encoder | None = Field(None, description="Of a model with role encoder.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.role == "encoder") != (self.encoder is not None):
            raise ValueError("`encoder` belongs to a model with role encoder, and only there")
        _ascending("stages", [move.since for move in self.stages])
        _ascending("prices", [price.valid_from for price in self.prices], strict=True)
        return self


class PromptVersion(_Strict):
    """One text of a prompt, with its history."""

    since: dt.date = Field(description="First day, UTC.")
    template: str = Field(description="The text; {name} is a variable.", min_length=1)
    change: str = Field(description="What changed and why.", min_length=3)


class PromptSpec(Spec):
    """A canonical prompt: versions are appended, the last one is the candidate for release."""

    folder: ClassVar[str] = "prompts"

    variables: tuple[str, ...] = Field((), description="Variables every version uses.")
    versions: tuple[PromptVersion, ...] = Field(description="Oldest first; append, never overwrite.", min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _ascending("versions", [version.since for version in self.versions])
        for number, version in enumerate(self.versions):
            missing = [name for name in self.variables if "{" + name + "}" not in version.template]
            if missing:
                raise ValueError(f"versions.{number}.template: does not use {', '.join(missing)}")
        return self


class Choice(_Strict):
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


class Consensus(_Strict):
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


class Agreement(_Strict):
    """How far annotators must agree."""

    alpha_floor: float = Field(
        0.67, description="Krippendorff's alpha that the interval's lower end must reach, in every choice.", ge=-1, le=1
    )
    minimum_items: int = Field(
        20, description="Items with two answers; with fewer, agreement is refused a figure.", gt=1
    )


class Overlap(_Strict):
    """How many items several people are asked about, so that their agreement can be measured."""

    share: float = Field(0.2, description="Share of the drawn items, chosen at random.", ge=0, le=1)
    annotators: int = Field(2, description="People who are asked about each of them, at least.", ge=2)


class SampleScore(_Strict):
    """What makes a call more likely to be drawn, under the design `poisson`."""

    by: Literal["uncertainty", "negative_feedback"] = Field(
        description="`uncertainty`: of a scorer whose values in lake/scores lie in 0 to 1, greatest at 0.5. "
        "`negative_feedback`: users' thumbs down, or what counts below 0. Nothing else is known of a call yet."
    )
    scorer: str | None = Field(None, description="uncertainty: the scorer, as in lake/scores.")
    metric: str | None = Field(None, description="uncertainty: its metric.")
    random_share: float = Field(
        0.5, description="Share of the budget that is random among all calls, whatever the score.", gt=0, le=1
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.by == "uncertainty") != (self.scorer is not None and self.metric is not None):
            raise ValueError("`scorer` and `metric` belong to `by: uncertainty`, and both are needed there")
        return self


_CALL_FIELDS = (
    "team",
    "feature",
    "environment",
    "operation",
    "provider",
    "response_model",
    "prompt_name",
    "prompt_version",
)


class Sampling(_Strict):
    """How items are chosen each day: a design, a budget, and whom it may choose."""

    population: Literal["answered"] = Field("answered", description="Calls of the day that ended without an error.")
    products: tuple[str, ...] = Field((), description="Only these products; empty means all.")
    where: dict[str, tuple[str, ...]] = Field(
        {}, description=f"Only calls whose field is one of these values; fields are {', '.join(_CALL_FIELDS)}."
    )
    design: Literal["stratified", "simple", "poisson", "negative_feedback_first"] = Field(
        "stratified",
        description="`stratified`: at random from each stratum. `simple`: from all alike. `poisson`: each call for "
        "itself, likelier by score. `negative_feedback_first`: gives no probability, so for training only.",
    )
    strata: tuple[Literal["product", "team", "feature", "response_model"], ...] = Field(
        (), description="Fields whose combinations are drawn from separately."
    )
    per_stratum: int | None = Field(None, description="Items a day from each stratum, at most.", gt=0)
    per_day: int | None = Field(None, description="Items a day from all strata together.", gt=0)
    allocation: Literal["equal", "proportional", "neyman"] = Field(
        "equal",
        description="How `per_day` is split: alike, by calls, or by calls and how far labels of the last weeks differ.",
    )
    score: SampleScore | None = Field(None, description="poisson: what makes a call likelier to be drawn.")
    overlap: Overlap | None = Field(None, description="Without it, one person is asked about each item.")
    same_text_once: bool = Field(
        False,
        description="Calls that read the same, but for case, spaces and punctuation, share one label for four weeks.",
    )
    seed: int = Field(0, description="Another seed gives another draw; a draw once made stays.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.per_day is None) == (self.per_stratum is None):
            raise ValueError("give one of `per_day` and `per_stratum`")
        for field in self.where:
            if field not in _CALL_FIELDS:
                raise ValueError(f"where.{field}: expected one of {', '.join(_CALL_FIELDS)}")
        if self.design == "stratified" and not self.strata:
            raise ValueError("strata: the design `stratified` needs at least one field")
        if self.design in ("simple", "negative_feedback_first") and (self.strata or self.per_day is None):
            raise ValueError(f"the design `{self.design}` takes `per_day` and no strata")
        if self.score is not None and self.design != "poisson":
            raise ValueError("score: belongs to the design `poisson`")
        return self


class Splits(_Strict):
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


class Gold(_Strict):
    """How a gold set is split. A group that was seen stays in its split, also where this is changed later."""

    group: tuple[Literal["session", "question", "document"], ...] = Field(
        ("session", "question"),
        description="What two items must not share across splits: the session, the question's words, the document of "
        "the first passage.",
        min_length=1,
    )
    split: Splits = Field(Splits(), description="Shares for groups not seen before.")


class SchemeSpec(Spec):
    """A labeling scheme: what reviewers see, what they answer, and how items are chosen."""

    folder: ClassVar[str] = "schemes"

    version: int = Field(description="Raise it when questions change; old labels stay with theirs.", gt=0)
    instructions: str = Field(description="What reviewers read first.", min_length=10)
    choices: tuple[Choice, ...] = Field(description="Questions to answer for each item.", min_length=1)
    spans: tuple[str, ...] = Field((), description="Labels for marked passages of the answer.")
    consensus: Consensus = Field(Consensus(), description="How several people's answers become one.")
    agreement: Agreement = Field(Agreement(), description="How far annotators must agree.")
    gold: Gold = Field(Gold(), description="How the gold set is split.")
    sampling: Sampling = Field(description="How items are chosen.")


_CHUNK_COLUMNS = ("chunk_id", "document_id", "title", "ordinal", "text", "text_digest", "access")


class Documents(_Strict):
    """Where an index's documents are read."""

    location: str = Field(description="JSON Lines file or glob; ${NAME} takes the environment.")
    id: str = Field("id", description="Column: the document's id, unique.")
    title: str | None = Field("title", description="Column: its title, kept with every chunk.")
    text: str = Field("text", description="Column: its text.")
    metadata: tuple[Name, ...] = Field(
        (), description="Columns kept with every chunk, to search by: text, numbers, true or false, lists of text."
    )
    access: str | None = Field(
        None,
        description="Column: tags (a text or a list) that a reader needs, all of them, to be shown the document.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        taken = [name for name in self.metadata if name in _CHUNK_COLUMNS]
        if taken:
            raise ValueError(f"metadata: {', '.join(taken)}: every chunk has a column of that name already")
        if len(set(self.metadata)) < len(self.metadata):
            raise ValueError("metadata: a column is named twice")
        return self


class Chunking(_Strict):
    """How documents are cut, in the encoder's own tokens."""

    max_tokens: int = Field(200, description="Longest chunk.", gt=10)
    overlap_tokens: int = Field(0, description="Tokens repeated from the chunk before.", ge=0)


class GoldenQuery(_Strict):
    """A query whose right documents are known."""

    query: str = Field(description="What a user asks.")
    documents: tuple[str, ...] = Field(description="Ids of documents that answer it.", min_length=1)


class Gate(_Strict):
    """What a candidate must show before it is released."""

    recall_at_10: float = Field(0.99, description="Least recall@10 against exact search.", ge=0, le=1)
    hit_rate_drop: float = Field(
        0.05,
        description="The interval must rule out that golden queries' hit rate@10 fell by more than this.",
        ge=0,
        le=1,
    )


class IndexSpec(Spec):
    """A canonical embedding index: its documents, encoder, and the gate before its release."""

    folder: ClassVar[str] = "indexes"

    documents: Documents = Field(description="What is indexed.")
    encoder: Name = Field(description="A model with role encoder.")
    chunking: Chunking = Field(Chunking(), description="How documents are cut.")
    faiss_factory: str = Field("Flat", description="FAISS index factory string, inner product.")
    golden_queries: tuple[GoldenQuery, ...] = Field((), description="Queries written by people.")
    golden_file: str | None = Field(None, description="JSON Lines of more: query, documents.")
    gate: Gate = Field(Gate(), description="What a candidate must show.")
    optional: bool = Field(False, description="No documents yet is not an error.")


class EvalSpec(Spec):
    """An estimate of quality: which labels, which slices, how sure."""

    folder: ClassVar[str] = "evals"

    metric: Name = Field(description="Name of the figure, as in the tables.")
    scheme: Name = Field(description="Labeling scheme that gives the labels.")
    field: Name = Field(description="Choice of the scheme that is read.")
    positive: str = Field(description="The answer that counts as 1.")
    slices: tuple[tuple[Literal["product", "team", "feature", "response_model"], ...], ...] = Field(
        description="Each a list of fields to estimate by; [] is everything.", min_length=1
    )
    window_days: int = Field(7, description="Days, the estimate's own included.", gt=0)
    confidence: float = Field(0.95, description="Of the interval.", gt=0.5, lt=1)
    minimum_labels: int = Field(10, description="Fewer labels than this and the estimate is refused.", gt=1)


class MonitorSpec(Spec):
    """A check on an estimate: it warns when the interval rules out what is promised."""

    folder: ClassVar[str] = "monitors"

    eval: Name = Field(description="The estimate watched.")
    slice: tuple[Literal["product", "team", "feature", "response_model"], ...] = Field(description="Which slice.")
    at_most: float = Field(description="Warn when the interval lies wholly above this.", ge=0, le=1)
    severity: Literal["warn", "error"] = Field("warn", description="How loud.")


KINDS: dict[str, type[Spec]] = {
    kind.folder: kind for kind in (SourceSpec, ModelSpec, PromptSpec, SchemeSpec, IndexSpec, EvalSpec, MonitorSpec)
}
"""Spec class by folder of `assets/`."""


def _ascending(name: str, days: list[dt.date], strict: bool = False) -> None:
    for number, (earlier, later) in enumerate(pairwise(days), start=1):
        if later < earlier or (strict and later == earlier):
            raise ValueError(f"{name}.{number}: {later} does not come after {earlier}; append at the end")
