"""One search: in every release that the caller may read, of the versions that the caller gets."""

from __future__ import annotations

from typing import Any

import numpy as np

from canonry import release
from canonry.client._opened import Opened
from canonry.search import Encode, Part, search_together
from canonry.service import models_out as out
from canonry.service.access import Caller
from canonry.service.library import Library


def search(library: Library, name: str, query: out.SearchQuery, caller: Caller) -> dict[str, Any]:
    """What a caller is answered, as in SearchAnswer. Raises NotReleased, ReleaseError, EncoderError, SearchError."""
    access, identity = caller.access, caller.identity_of(query.caller)
    # A version is of one release; what is under a channel may lie in several, one an audience.
    more = [] if query.version else library.audiences(name, query.channel, access, identity)
    try:
        found = [library.index(name, query.version or query.channel, identity), *more]
    except release.NotReleased:
        if not more:
            raise
        found = more
    releases = [opened for opened, _ in found]
    first, arm = releases[0], next((arm for _, arm in found if arm), None)
    mode = "dense" if query.text is None else first.text.checked_mode(query.mode)
    if len(releases) > 1:
        parts = [Part(each.text, _encode(each, library.encoder_threads)) for each in releases]
        asked = query.text if query.text is not None else np.asarray(query.vector, np.float32)
        hits = search_together(parts, asked, query.k, query.where, access, query.mode)
    elif query.text is not None:
        hits = first.search_text(query.text, query.k, query.where, access, library.encoder_threads, mode)
    else:
        hits = first.vectors.search(query.vector or [0.0], query.k, query.where, access)
    fields = ("chunk_id", "document_id", "title", "text", "score", "metadata")
    return {
        "name": name,
        "version": first.version,
        "arm": arm,
        "mode": mode,
        "releases": {each.manifest.name: each.version for each in releases},
        "hits": [{field: getattr(hit, field) for field in fields} for hit in hits],
    }


def _encode(opened: Opened, threads: int) -> Encode:
    # A vector, or a search by words alone, needs no encoder, and so none is loaded.
    return lambda texts: opened.text_encoder(threads).encode(texts)
