"""What was retrieved for an answer, put together from the steps of its trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def retrieved_of(steps: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a trace's steps retrieved, in the order of their start; of rerankers alone where there are any.

    A chunk that several returned is given once, as the first returned it.
    """
    known = [step for step in steps if step.get("retrieved")]
    reranked = [step for step in known if step["operation"] == "reranker"]
    found: dict[Any, dict[str, Any]] = {}
    for step in sorted(reranked or known, key=lambda step: (step["started_at"], step["step_id"])):
        for chunk in step["retrieved"]:
            found.setdefault(chunk["chunk_id"] or (chunk["text"],), chunk)
    return list(found.values())
