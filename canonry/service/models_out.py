"""What the doors for releases are asked, and what they answer: as in /openapi.json."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    StringConstraints,
    model_validator,
)

from canonry.release import Arm
from canonry.search import Mode

MAX_K = 1_000
MAX_TEXT = 20_000

NamePart = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]
VersionText = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
CallerText = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Value = StrictBool | StrictInt | StrictFloat | StrictStr | None
Values = Annotated[list[Value], Field(max_length=1_000)]
Where = Annotated[dict[str, Value | Values], Field(max_length=32)]


class _Out(BaseModel):
    model_config = ConfigDict(frozen=True)


class SearchQuery(BaseModel):
    """A search: a text or a vector, how many hits, and what they must have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str | None = Field(None, description="What to look for, in words.", min_length=1, max_length=MAX_TEXT)
    vector: list[float] | None = Field(
        None, description="Or its vector, from the encoder of the index.", max_length=8192
    )
    k: int = Field(10, description="How many hits.", ge=1, le=MAX_K)
    mode: Mode | None = Field(
        None,
        description="For a text: by meaning (`dense`), by words (`lexical`: only chunks that share one), or by both "
        "(`hybrid`), as is done where the index can and nothing is said. A vector is searched for by nearness.",
    )
    where: Where = Field({}, description="Value, or values of which one is enough, by column of the index.")
    channel: NamePart = Field("production", description="Channel to read.")
    version: VersionText | None = Field(None, description="Or the version.")
    caller: CallerText | None = Field(
        None,
        description="Whom the product asks for, such as a hash of its user: where the channel has a canary, each "
        "always gets the same of the two versions. Without it the product as a whole does.",
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.text is None) == (self.vector is None):
            raise ValueError("send either text or vector")
        if self.vector is not None and self.mode not in (None, "dense"):
            raise ValueError(f"mode {self.mode}: a vector has no words; send a text, or mode dense")
        return self


class FoundChunk(_Out):
    """A chunk that was found. `score` depends on the mode.

    dense: the inner product, the cosine where both vectors have length 1. lexical: BM25. hybrid: from 0 to 1, to be
    compared within one answer alone.
    """

    chunk_id: str
    document_id: str
    title: str | None
    text: str
    score: float
    metadata: dict[str, Any]


class SearchAnswer(_Out):
    """Hits of one whole version, best first."""

    name: str
    version: str
    arm: Arm | None = Field(
        None, description="`canary` or `control` where the channel has a canary: log it as the call's `arm`."
    )
    mode: Mode
    releases: dict[str, str] = Field(
        {}, description="Version by name of each release that was searched: what everybody may read, and the key's own."
    )
    hits: list[FoundChunk]


class Listed(_Out):
    """Something that is released."""

    name: str
    version: str
    created_at: dt.datetime
    description: str
    rows: int | None = Field(description="Chunks of an index, rows of a table.")
    columns: list[str] = Field(description="What an index can be searched by; what a table has.")


class Listing(_Out):
    """What a channel points to, by name."""

    channel: str
    items: list[Listed]


class FileAbout(_Out):
    """One file of a release; `size` in bytes."""

    sha256: str
    size: int


class ManifestOut(_Out):
    """What a release is: its files' digests, what it was made from, its gate."""

    kind: str
    name: str
    version: str
    created_at: dt.datetime
    files: dict[str, FileAbout]
    lineage: dict[str, Any]
    metadata: dict[str, Any]
    format_version: int


class PromptOut(_Out):
    """A released prompt; log `name` and `version` with the inference it is used for."""

    name: str
    version: str
    template: str
    variables: list[str]
    since: dt.date
    change: str
    arm: Arm | None = Field(None, description="`canary` or `control` where the channel has a canary: log it, too.")


class ModelsOut(_Out):
    """Every model that teams may use, by name."""

    version: str
    models: dict[str, dict[str, Any]]


class TableOut(_Out):
    """Rows of a released table."""

    name: str
    version: str
    rows: list[dict[str, Any]]


class ReleaseAbout(_Out):
    """One release of a name."""

    version: str
    created_at: dt.datetime


class ReleasesOut(_Out):
    """Everything released under a name: its releases, the oldest first, and where its channels point."""

    kind: str
    name: str
    channels: dict[str, str]
    releases: list[ReleaseAbout]
