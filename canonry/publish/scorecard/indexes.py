"""Indexes: released versions, what their gate found, and candidates that a gate held back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canonry.publish.scorecard import formats
from canonry.publish.scorecard.parts import Block, Headline, Missing, Row, Section, Table
from canonry.publish.scorecard.read import IndexVersion, Inputs

_LEAD = (
    "Each version passed its gate before it was released: it finds what exact search finds (recall@10), and answers "
    "golden queries no worse than the version before (hit rate@10, nDCG@10, recall@100, mean reciprocal rank)."
)


def section(inputs: Inputs) -> Section:
    """Versions of every canonical index, newest first, and what was held back."""
    held = _held_back(inputs)
    if not inputs.indexes and not held:
        text = "No index is released yet. Indexes lie in assets/indexes/; the job rebuild_indexes builds them."
        return Section("indexes", "Indexes", _LEAD, [Missing(text, "make demo")])
    newest = sorted(inputs.indexes, key=lambda each: each.release.manifest.created_at, reverse=True)
    newest.sort(key=lambda each: each.release.manifest.name)
    blocks: list[Block] = []
    if newest:
        blocks.append(_released(newest))
        blocks.append(_said(newest))
    if held:
        blocks.append(_held(held))
    candidates = "candidate" if len(held) == 1 else "candidates"
    finding = (f"The gate holds back {len(held)} index {candidates}: see Indexes for why.",) if held else ()
    return Section("indexes", "Indexes", _LEAD, blocks, _headline(newest), finding)


def _released(versions: list[IndexVersion]) -> Table:
    columns = (
        "index",
        "version",
        "stands",
        "promoted",
        "gate",
        "recall@10",
        "hit rate@10",
        "to the one before",
        "chunks",
    )
    rows = []
    for each in versions:
        manifest = each.release.manifest
        gate = manifest.metadata.get("gate") or {}
        promoted = [move.moved_at for move in each.moves if move.action == "promote"]
        rows.append(
            (
                manifest.name,
                each.release.version,
                _stands(each),
                formats.moment(promoted[-1]) if promoted else "never",
                _verdict(gate),
                _recall(gate),
                _hit_rate(gate),
                _difference(gate),
                formats.count(manifest.metadata.get("vectors", 0)),
            )
        )
    return Table("Released versions", columns, rows, numbers_from=5)


def _said(versions: list[IndexVersion]) -> Table:
    rows = []
    for each in versions:
        gate = each.release.manifest.metadata.get("gate") or {}
        reasons = "; ".join((*gate.get("reasons", ()), *gate.get("flags", ()))) or "nothing is recorded"
        moves = "; ".join(f"{formats.moment(move.moved_at)}: {move.action}, {move.reason}" for move in each.moves)
        rows.append((each.release.manifest.name, each.release.version, reasons, moves or "none"))
    columns = ("index", "version", "what the gate said", "moves of a channel to it")
    return Table("What the gate said, and why channels moved", columns, rows, numbers_from=4, folded=True)


def _held(held: list[Row]) -> Table:
    rows = [
        (
            row["index"],
            row["version"],
            "; ".join(row["gate"].get("reasons", ())),
            _recall(row["gate"]),
            _hit_rate(row["gate"]),
        )
        for row in held
    ]
    columns = ("index", "version", "why", "recall@10", "hit rate@10")
    return Table("Held back by the gate: built, judged, and not released", columns, rows, numbers_from=3)


def _held_back(inputs: Inputs) -> list[Row]:
    released = {(each.release.manifest.name, each.release.version) for each in inputs.indexes}
    return [
        row
        for row in inputs.candidates
        if not row["gate"].get("passed") and (row["index"], row["version"]) not in released
    ]


def _headline(versions: list[IndexVersion]) -> Headline | None:
    current = [each for each in versions if each.current]
    if not current:
        return None
    moved = max(current, key=lambda each: each.moves[-1].moved_at if each.moves else each.release.manifest.created_at)
    gate = moved.release.manifest.metadata.get("gate") or {}
    name = moved.release.manifest.name
    notes = (f"{name}, promoted last: gate {_verdict(gate)}", f"golden hit rate@10 {_hit_rate(gate)}")
    return Headline("Indexes in production", formats.count(len(current)), notes)


def _stands(each: IndexVersion) -> str:
    if each.current:
        return "in production"
    return "earlier" if each.moves else "never promoted"


def _verdict(gate: Mapping[str, Any]) -> str:
    passed = gate.get("passed")
    return "not recorded" if passed is None else "passed" if passed else "failed"


def _recall(gate: Mapping[str, Any]) -> str:
    recall = gate.get("recall_at_10")
    if not recall:
        return "not measured"
    bound = "exact index" if recall["exact"] else f"at least {recall['low']:.3f}, 95% confidence"
    return f"{recall['value']:.3f} ({bound})"


def _hit_rate(gate: Mapping[str, Any]) -> str:
    rate = gate.get("hit_rate_at_10")
    return f"{formats.share(rate['candidate'])} of {rate['queries']:,}" if rate else "no golden queries"


def _difference(gate: Mapping[str, Any]) -> str:
    difference = (gate.get("hit_rate_at_10") or {}).get("difference")
    if not difference:
        return "first release" if gate and not gate.get("released_version") else "none"
    ends = f"{formats.points(difference['low'])} to {formats.points(difference['high'])}"
    return f"{formats.points(difference['value'])} points ({ends})"
