"""Who may read what of an index: one release an audience, so that files of one hold nothing that others may not see.

What everybody may read is released under the index's own name; what needs tags under `NAME.TAG`, or `NAME.TAG--TAG`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from canonry.index.golden import Golden
from canonry.index.tables import put_if_changed
from canonry.search import ACCESS
from canonry.storage import NotFound, Storage

_PLAIN = re.compile(r"[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*")
_LONGEST = 80


@dataclass(frozen=True, order=True)
class Audience:
    """Those who have all of these tags; none: everybody."""

    tags: tuple[str, ...] = ()

    def release_of(self, index: str) -> str:
        """Name of the release that holds what needs all of these tags, and no other."""
        if not self.tags:
            return index
        name = f"{index}.{'--'.join(self.tags)}"
        if len(name) <= _LONGEST and all(_PLAIN.fullmatch(tag) for tag in self.tags):
            return name
        # A tag may be any text; a name may not.
        return f"{index}.access-{hashlib.sha256(json.dumps(self.tags).encode()).hexdigest()[:12]}"


EVERYBODY = Audience()


def audiences_of(chunks: pa.Table) -> list[Audience]:
    """Audiences that some chunk is for, everybody first."""
    if ACCESS not in chunks.column_names:
        return [EVERYBODY] if chunks.num_rows else []
    return sorted({_audience(tags) for tags in chunks[ACCESS].to_pylist()})


def chunks_for(chunks: pa.Table, audience: Audience) -> pa.Table:
    """The chunks that are for this audience, and for no other."""
    if ACCESS not in chunks.column_names:
        return chunks
    return chunks.filter(pa.array([_audience(tags) == audience for tags in chunks[ACCESS].to_pylist()], pa.bool_()))


def golden_for(golden: Iterable[Golden], chunks: pa.Table, audience: Audience) -> list[Golden]:
    """Golden queries that this audience's documents answer; everybody's are also those that no document answers."""
    if ACCESS not in chunks.column_names:
        return list(golden)
    masks = np.array([_audience(tags) == audience for tags in chunks[ACCESS].to_pylist()], bool)
    own = set(chunks["document_id"].filter(pa.array(masks)).to_pylist())
    known = set(pc.unique(chunks["document_id"]).to_pylist())
    found = []
    for each in golden:
        here = each.documents & own
        if not here and audience == EVERYBODY and not each.documents & known:
            here = each.documents
        if here:
            found.append(replace(each, documents=here))
    return found


def put_audiences(lake: Storage, name: str, audiences: Iterable[Audience]) -> list[str]:
    """Keep which releases an index's candidates are for now; returns their names, those left since being told apart."""
    document = {"releases": {each.release_of(name): list(each.tags) for each in audiences}}
    put_if_changed(lake, _path(name), json.dumps(document, indent=1, sort_keys=True).encode() + b"\n")
    return list(document["releases"])


def releases_of(lake: Storage, name: str) -> dict[str, Audience]:
    """Audience by name of the release, of the candidates that were built last; of an index without any, everybody's."""
    try:
        found = json.loads(lake.read(_path(name)))["releases"]
    except NotFound:
        return {name: EVERYBODY}
    return {release: Audience(tuple(tags)) for release, tags in found.items()}


def _audience(tags: list[str] | None) -> Audience:
    return Audience(tuple(sorted(tags or ())))


def _path(name: str) -> str:
    return f"candidates/indexes/{name}/audiences.json"
