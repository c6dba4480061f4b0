"""Candidates are kept with what their gate said."""

from __future__ import annotations

from canonry.index import store
from canonry.storage import Zones


def test_every_judged_candidate_is_listed_with_its_gate(zones: Zones) -> None:
    versions = [
        store.put_candidate(zones.lake, "manual", {"vectors.faiss": data}, {}, {})
        for data in (b"one", b"two", b"three")
    ]
    for version, passed in zip(versions[:2], (True, False), strict=True):
        store.put_gate(zones.lake, "manual", version, {"passed": passed})
    expected = [{"index": "manual", "version": versions[at], "gate": {"passed": at == 0}} for at in (0, 1)]
    assert store.judged_candidates(zones.lake) == sorted(expected, key=lambda row: str(row["version"]))
