"""Canonical embedding indexes: their documents, and the gate before a release."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from canonry.catalog.specs.base import Name, Spec, Strict
from canonry.catalog.specs.documents import Sources, Vectors

Language = Literal[
    "arabic",
    "armenian",
    "basque",
    "catalan",
    "danish",
    "dutch",
    "english",
    "finnish",
    "french",
    "german",
    "greek",
    "hindi",
    "hungarian",
    "indonesian",
    "irish",
    "italian",
    "lithuanian",
    "nepali",
    "norwegian",
    "portuguese",
    "romanian",
    "russian",
    "serbian",
    "spanish",
    "swedish",
    "tamil",
    "turkish",
    "yiddish",
]
"""Languages whose stems Snowball knows, see https://snowballstem.org."""


class Chunking(Strict):
    """How documents are cut, in the encoder's own tokens."""

    max_tokens: int = Field(200, description="Longest chunk.", gt=10)
    overlap_tokens: int = Field(0, description="Tokens repeated from the chunk before.", ge=0)


class Lexical(Strict):
    """How words are told: an index is also searched by the words that its chunks share with a text."""

    language: Language = Field("english", description="Of most documents: their words are cut to stems by its rules.")


class GoldenQuery(Strict):
    """A query whose right documents are known."""

    query: str = Field(description="What a user asks.")
    documents: tuple[str, ...] = Field(description="Ids of documents that answer it.", min_length=1)


class GoldenLabels(Strict):
    """Golden queries from labeled retrievals: what was asked where reviewers found the answer right."""

    gold: Name = Field(description="The gold set: a name in assets/schemes/.")
    channel: Name = Field("production", description="Channel of its release.")
    field: Name = Field(description="Choice of the scheme that says whether an answer is right.")
    value: str = Field(description="Its value for a right answer.")


class GoldenFeedback(Strict):
    """Golden queries from feedback: what was asked where users liked the answer, and its document is known."""

    signal: Name = Field("thumb", description="Signal that says whether the answer was liked.")
    at_least: float = Field(0.5, description="Least mean value, -1 to 1.", ge=-1, le=1)
    days: int = Field(30, description="How many of the last days with calls are read.", gt=0)


class Duplicates(Strict):
    """Chunks that nearly are another."""

    similarity: float = Field(
        0.9, description="Least share of runs of three words that both have (Jaccard).", gt=0.3, le=1
    )
    action: Literal["report", "drop"] = Field("report", description="List them, or leave the later ones out as well.")


class Gaps(Strict):
    """What users ask that nothing in the index is near to: a table for who writes the documents."""

    days: int = Field(14, description="How many of the last days with calls are read.", gt=0)
    similarity: float = Field(
        0.45, description="A question is far where the cosine of its best match is less.", ge=-1, le=1
    )
    smallest: int = Field(3, description="Fewest questions that make a gap; fewer are counted, never shown.", gt=1)


class Gate(Strict):
    """What a candidate must show before it is released."""

    recall_at_10: float = Field(0.99, description="Least recall@10 against exact search.", ge=0, le=1)
    int8_mean_cosine: float = Field(
        0.99, description="Least mean cosine of an onnx-int8 encoder's vectors with the reference's.", ge=0, le=1
    )
    int8_overlap_at_10: float = Field(
        0.95,
        description="Least share of a text's ten nearest that both its vector and the reference's find.",
        ge=0,
        le=1,
    )
    hit_rate_drop: float = Field(
        0.05,
        description="The interval must rule out that golden queries' hit rate@10 fell by more than this.",
        ge=0,
        le=1,
    )
    ndcg_drop: float = Field(0.05, description="The same of their mean nDCG@10.", ge=0, le=1)
    recall_at_100_drop: float = Field(0.05, description="The same of their mean recall@100.", ge=0, le=1)
    mrr_drop: float = Field(0.1, description="The same of their mean reciprocal rank.", ge=0, le=1)
    size_drop: float = Field(0.2, description="Largest share of chunks, and of documents, that may go.", ge=0, le=1)
    older_documents: float = Field(
        0.01, description="Largest share of documents that may be older than they are released.", ge=0, le=1
    )
    max_age_days: int | None = Field(None, description="The newest document may be so old; null: any age.", gt=0)
    empty_chunks: float = Field(0.01, description="Largest share of chunks without a word.", ge=0, le=1)
    repeated_chunks: float = Field(0.2, description="Largest share of chunks that repeat another.", ge=0, le=1)
    encoder_agreement: float = Field(
        0.99, description="Least cosine of a vector to what the encoder gives for its text, on a sample.", ge=0, le=1
    )
    latency_ms: float | None = Field(
        None, description="Budget: 95 of 100 searches by vector, one by one, must take no longer; null: none.", gt=0
    )


class IndexSpec(Spec):
    """A canonical embedding index: its documents, encoder, and the gate before its release."""

    folder: ClassVar[str] = "indexes"

    documents: Sources = Field(description="What is indexed: one source, or several.")
    encoder: Name = Field(description="A model with role encoder.")
    chunking: Chunking = Field(Chunking(), description="How documents are cut.")
    duplicates: Duplicates | None = Field(Duplicates(), description="Chunks that nearly are another; null: not sought.")
    lexical: Lexical | None = Field(Lexical(), description="Search by words, fused with the vectors'; null for none.")
    faiss_factory: str = Field(
        "auto", description="FAISS index factory string, inner product; auto chooses by the number of vectors."
    )
    shards: int = Field(
        1, description="Into so many partitions embedding and filling are cut, for a large corpus.", ge=1, le=1000
    )
    golden_queries: tuple[GoldenQuery, ...] = Field((), description="Queries written by people.")
    golden_file: str | None = Field(None, description="JSON Lines of more: query, documents.")
    golden_labels: tuple[GoldenLabels, ...] = Field((), description="More from labeled retrievals.")
    golden_feedback: GoldenFeedback | None = Field(None, description="More from what users liked.")
    gaps: Gaps | None = Field(None, description="Look for coverage gaps; null: do not.")
    gate: Gate = Field(Gate(), description="What a candidate must show.")
    channel: Name = Field(
        "production", description="What passes is released to it; with `candidate` a person promotes it to production."
    )
    keep_releases: int | None = Field(
        None, description="Older releases beyond so many that no channel points to are deleted; null: all stay.", gt=0
    )
    optional: bool = Field(False, description="No documents yet is not an error.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for number, source in enumerate(self.documents):
            if isinstance(source, Vectors) and source.encoder != self.encoder:
                raise ValueError(
                    f"documents.{number}: its vectors are of {source.encoder}, but the index's encoder is "
                    f"{self.encoder}; vectors of two models cannot be compared"
                )
        return self

    @property
    def metadata(self) -> tuple[str, ...]:
        """Columns that some source keeps with its chunks."""
        return tuple(dict.fromkeys(name for source in self.documents for name in source.metadata))
