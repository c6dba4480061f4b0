"""Where events come from."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from canonry.catalog.redaction import Redaction
from canonry.catalog.specs.base import Name, Spec, Strict


class Lookup(Strict):
    """A second file whose columns the expressions may use, joined on one key."""

    location: str = Field(description="File, folder, glob or object-store URL; ${NAME} takes the environment.")
    format: Literal["jsonl", "csv", "parquet"] = Field(description="How the file is written.")
    key: str = Field(description="Column, in both files, to join on; unique in this one.")


class Emit(Strict):
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
