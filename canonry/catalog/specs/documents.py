"""Where the documents of an index come from: files, rows, the lake, gold answers, vectors that there are already."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from canonry.catalog.specs.base import Name, Strict

TAKEN = (
    "chunk_id",
    "document_id",
    "title",
    "ordinal",
    "text",
    "text_digest",
    "access",
    "updated_at",
    "headings",
    "format",
)
"""Columns that an index has of its own."""


class _Columns(Strict):
    """Which column of a row is what."""

    id: str = Field("id", description="Column: the document's id, unique in the index.")
    title: str | None = Field("title", description="Column: its title, kept with every chunk.")
    text: str = Field("text", description="Column: its text.")
    format: Literal["plain", "markdown"] = Field(
        "plain", description="What the text is: Markdown is cut by its headings, which every chunk keeps."
    )
    updated_at: str | None = Field(
        None, description="Column: when the document last changed, ISO 8601 (UTC where no zone is said) or a time."
    )
    license: str | None = Field(None, description="Whose texts these are and on what terms: kept in the manifest.")
    metadata: tuple[Name, ...] = Field(
        (), description="Columns kept with every chunk, to search by: text, numbers, true or false, lists of text."
    )
    access: str | None = Field(
        None,
        description="Column: tags (a text or a list) that a reader needs, all of them, to be shown the document.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _check_metadata(self.metadata)
        return self


class JsonLines(_Columns):
    """Documents in JSON Lines files, one an object."""

    kind: Literal["json_lines"] = Field("json_lines", description="Rows of JSON Lines files, plain or gzip.")
    location: str = Field(description="JSON Lines file or glob; ${NAME} takes the environment.")


class Files(Strict):
    """Documents in files of their own."""

    kind: Literal["files"] = Field(description="A document a file: .md, .rst, .html, .txt, .pdf.")
    location: str = Field(description="Folder, file, glob or URL; ${NAME} takes the environment.")
    unreadable: Literal["fail", "quarantine"] = Field(
        "fail",
        description="A file that cannot be read fails the build, or is left out and listed with its reason.",
    )
    license: str | None = Field(None, description="Whose texts these are and on what terms: kept in the manifest.")
    metadata: tuple[Name, ...] = Field(
        (), description="Fields of a Markdown file's front matter, or of an HTML page's <meta>, kept with every chunk."
    )
    access: tuple[str, ...] = Field((), description="Tags that a reader of these files needs, all of them.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _check_metadata(self.metadata)
        return self


class Query(_Columns):
    """Documents that a query over the lake finds."""

    kind: Literal["query"] = Field(description="Rows that a query finds in the lake.")
    sql: str = Field(description="One DuckDB SELECT over the lake's kinds, such as `contents`; `day` is a column.")
    days: int = Field(90, description="How many of each kind's last days with rows are read.", gt=0)
    call: str = Field(
        "inference_id",
        description="Column, where there is one: the call, or list of calls, that a row is made of. Where a row has "
        "none, an erasure of anybody takes the index's releases away.",
    )


class GoldAnswers(Strict):
    """Answers that reviewers found right, each a document: the question its title, the answer its text."""

    kind: Literal["gold"] = Field(description="Answers of a released gold set.")
    gold: Name = Field(description="The gold set: a name in assets/schemes/.")
    license: str | None = Field(None, description="Whose texts these are and on what terms: kept in the manifest.")
    channel: Name = Field("production", description="Channel of its release.")
    field: Name = Field(description="Choice of the scheme that says whether an answer is right.")
    value: str = Field(description="Its value for a right answer.")
    access: tuple[str, ...] = Field(
        (), description="Tags that a reader needs, all of them: these are users' questions."
    )

    @property
    def metadata(self) -> tuple[str, ...]:
        """Columns kept with every chunk."""
        return ()


class Vectors(_Columns):
    """Passages whose vectors a team already has: each row becomes one chunk, and nothing is embedded again."""

    kind: Literal["vectors"] = Field(
        description="Passages with vectors: Parquet, or an Elasticsearch/OpenSearch export."
    )
    location: str = Field(
        description="Parquet or NDJSON files (plain or gzip; hits with `_id` and `_source`, or bulk lines)."
    )
    vector: str = Field("vector", description="Column: the vector; a dotted path reaches into objects.")
    encoder: Name = Field(description="The model that gave the vectors: must be the index's encoder, and is checked.")


Source = Annotated[JsonLines | Files | Query | GoldAnswers | Vectors, Field(discriminator="kind")]
"""One place that documents come from."""


def _check_metadata(names: tuple[str, ...]) -> None:
    taken = [name for name in names if name in TAKEN]
    if taken:
        raise ValueError(f"metadata: {', '.join(taken)}: every chunk has a column of that name already")
    if len(set(names)) < len(names):
        raise ValueError("metadata: a column is named twice")


def _listed(value: Any) -> Any:
    each = value if isinstance(value, list | tuple) else [value]
    if not each:
        raise ValueError("expected at least one source")
    return tuple({"kind": "json_lines", **one} if isinstance(one, dict) else one for one in each)


Sources = Annotated[tuple[Source, ...], BeforeValidator(_listed, json_schema_input_type=Source | list[Source])]
"""One source or a list of them; without `kind` it is JSON Lines."""
