"""Completions as the journal keeps them, each by the digest of its request: outside facts that cost money once.

`completions/AB/DIGEST.json` holds what was answered, and nothing of what was asked.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable

from pydantic import TypeAdapter, ValidationError

from canonry.completions._nouns import Completion, Request
from canonry.storage import NotFound, Storage


def read_kept(journal: Storage, request: Request) -> Completion | None:
    """What was answered to exactly this request before; None where nothing was, or it cannot be read any more."""
    try:
        found = _COMPLETION.validate_json(journal.read(path_of(request.digest)))
    except (NotFound, ValidationError):
        return None
    return dataclasses.replace(found, kept=True)


def keep(journal: Storage, request: Request, completion: Completion) -> None:
    """Keep what was answered."""
    document = {**dataclasses.asdict(completion), "started_at": completion.started_at.isoformat()}
    del document["kept"]
    journal.put(path_of(request.digest), json.dumps(document, indent=1, sort_keys=True).encode() + b"\n")


def forget(journal: Storage, requests: Iterable[Request]) -> None:
    """Remove what was answered to these requests, where a person's words must be erased: an answer may repeat them."""
    for request in requests:
        journal.delete(path_of(request.digest))


def path_of(digest: str) -> str:
    """Where a completion lies in the journal."""
    return f"completions/{digest[:2]}/{digest}.json"


_COMPLETION: TypeAdapter[Completion] = TypeAdapter(Completion)
