"""Which calls an index's documents are made of: kept in the lake beside each candidate, and never published.

`made_of/index=NAME` has it of the documents as they are now, `candidates/indexes/NAME/VERSION/made_of.parquet` of what
was built of them: a row a document and call, and for a document of which nobody can tell a row without a call. A
document that is of no call, as one from a file, has no row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from canonry.index.tables import put_table, read_if_there
from canonry.storage import Storage

MADE_OF = pa.schema([("document_id", pa.string()), ("inference_id", pa.string())])

_OF_CALLS = ("query", "gold")
"""Kinds of sources whose documents are made of calls."""


def path_of(name: str) -> str:
    """Path in the lake of what an index's documents are made of now."""
    return f"made_of/index={name}/part-0.parquet"


def put(lake: Storage, name: str, pairs: Iterable[tuple[str, str | None]]) -> None:
    """Keep documents and their calls."""
    rows = [{"document_id": document_id, "inference_id": call} for document_id, call in sorted(pairs, key=str)]
    put_table(lake, path_of(name), pa.Table.from_pylist(rows, MADE_OF))


def put_beside(lake: Storage, name: str, release_name: str, version: str, documents: Collection[str]) -> None:
    """Keep it beside a candidate that was built of these documents of an index, with what was there of a build before:
    the same payload may come from other calls.
    """
    found = read_if_there(lake, path_of(name))
    if found is None:
        return
    own = found.filter(pc.is_in(found["document_id"], value_set=pa.array(sorted(documents), pa.string())))
    before = read_if_there(lake, _beside(release_name, version))
    together = own if before is None else pa.concat_tables([before, own])
    distinct = together.group_by(MADE_OF.names).aggregate([])
    put_table(lake, _beside(release_name, version), distinct.sort_by([(name, "ascending") for name in MADE_OF.names]))


def documents_of(
    lake: Storage, release_name: str, version: str, lineage: Mapping[str, Any], calls: Collection[str]
) -> int | None:
    """How many documents of a version are made of one of these calls; None where nobody can tell of some.

    `lineage`: of its manifest. A version without a query or gold among its sources holds no call.
    """
    if not any(source.get("kind") in _OF_CALLS for source in lineage.get("sources", ())):
        return 0
    found = read_if_there(lake, _beside(release_name, version))
    return None if found is None else _hits(found, calls)


def indexes_of(lake: Storage, calls: Collection[str]) -> list[str]:
    """Indexes whose documents now are made of one of these calls, or may be."""
    names = [entry.path.split("/")[1].removeprefix("index=") for entry in lake.list("made_of")]
    tables = {name: read_if_there(lake, path_of(name)) for name in names}
    return [name for name, found in tables.items() if found is not None and _hits(found, calls) != 0]


def _hits(found: pa.Table, calls: Collection[str]) -> int | None:
    hits = found.filter(pc.is_in(found["inference_id"], value_set=pa.array(sorted(calls), pa.string())))
    surely = len(pc.unique(hits["document_id"]))
    return surely or (None if found["inference_id"].null_count else 0)


def _beside(release_name: str, version: str) -> str:
    return f"candidates/indexes/{release_name}/{version}/made_of.parquet"
