"""Canonical embedding indexes: their documents, and the gate before a release."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from canonry.catalog.specs.base import Name, Spec, Strict

_CHUNK_COLUMNS = ("chunk_id", "document_id", "title", "ordinal", "text", "text_digest", "access")

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


class Documents(Strict):
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


class Gate(Strict):
    """What a candidate must show before it is released."""

    recall_at_10: float = Field(0.99, description="Least recall@10 against exact search.", ge=0, le=1)
    hit_rate_drop: float = Field(
        0.05,
        description="The interval must rule out that golden queries' hit rate@10 fell by more than this.",
        ge=0,
        le=1,
    )
    ndcg_drop: float = Field(0.05, description="The same of their mean nDCG@10.", ge=0, le=1)
    recall_at_100_drop: float = Field(0.05, description="The same of their mean recall@100.", ge=0, le=1)
    mrr_drop: float = Field(0.1, description="The same of their mean reciprocal rank.", ge=0, le=1)


class IndexSpec(Spec):
    """A canonical embedding index: its documents, encoder, and the gate before its release."""

    folder: ClassVar[str] = "indexes"

    documents: Documents = Field(description="What is indexed.")
    encoder: Name = Field(description="A model with role encoder.")
    chunking: Chunking = Field(Chunking(), description="How documents are cut.")
    lexical: Lexical | None = Field(Lexical(), description="Search by words, fused with the vectors'; null for none.")
    faiss_factory: str = Field(
        "auto", description="FAISS index factory string, inner product; auto chooses by the number of vectors."
    )
    golden_queries: tuple[GoldenQuery, ...] = Field((), description="Queries written by people.")
    golden_file: str | None = Field(None, description="JSON Lines of more: query, documents.")
    gate: Gate = Field(Gate(), description="What a candidate must show.")
    optional: bool = Field(False, description="No documents yet is not an error.")
