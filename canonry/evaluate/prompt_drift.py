"""Prompt drift: calls of a day whose prompt is no registered version, the version it is nearest to, what changed."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa

from canonry import lake
from canonry.evaluate.prompt_changes import appended, changes, last_line, skeletons
from canonry.evaluate.prompts import RegisteredPrompt, is_made_from, named_by, similarity
from canonry.messages import instructions_text, question_text
from canonry.retrieval import ANSWERS
from canonry.storage import Storage

Status = Literal["registered", "other_version", "changed", "unknown_version", "not_said"]
"""Of a call's prompt. registered: its text or, where none is logged, its name and version or digest are known.
other_version: the text is a registered one, but not that which the call names. changed: the text is no registered one.
unknown_version: no text is logged, and what is named is not known. not_said: neither text nor name is logged."""

DRIFTED: tuple[Status, ...] = ("changed", "unknown_version")
"""What counts as drift: a prompt that is registered nowhere."""

COMPARED = 60
"""Texts of a product and claim a day that are compared with the registered ones, by lot."""
VARIANTS = 3
"""Changed prompts of a product and claim that are told apart, the most used first."""

_COLUMNS = ["inference_id", "product", "operation", "prompt_name", "prompt_version", "prompt_digest"]

Row = dict[str, Any]


def write_prompt_drift(lake_zone: Storage, prompts: Sequence[RegisteredPrompt], day: dt.date) -> tuple[list[Row], bool]:
    """Write `lake/prompt_drift` of a day; its rows, and whether they changed."""
    rows = prompt_drift(_calls(lake_zone, day), prompts)
    paths = (f"{lake.folder(kind, day)}/{lake.MANIFEST}" for kind in ("inferences", "contents"))
    made_from = {
        "partitions": {
            path: hashlib.sha256(lake_zone.read(path)).hexdigest() for path in paths if lake_zone.head(path)
        },
        "prompts": {f"{each.name} {each.version}": each.digest for each in prompts},
    }
    table = pa.Table.from_pylist(rows, lake.SCHEMAS["prompt_drift"])
    return rows, lake.write(lake_zone, "prompt_drift", day, table, made_from)


def prompt_drift(calls: Sequence[Row], prompts: Sequence[RegisteredPrompt]) -> list[Row]:
    """One row per product, status, claim and changed text, from calls with `input_messages`, by inference_id."""
    groups: dict[tuple[str, Status, str | None, str | None], list[Row]] = defaultdict(list)
    totals: Counter[str] = Counter()
    for call in calls:
        status, version = status_of(call, prompts)
        groups[call["product"], status, call["prompt_name"], version].append(call)
        totals[call["product"]] += 1
    for key in [each for each in groups if each[1] in ("registered", "other_version")]:
        added = _with_an_end_of_its_own(groups[key], prompts)
        if added:
            product, _, name, version = key
            groups[product, "changed", name, version] += added
            without = {call["inference_id"] for call in added}
            groups[key] = [call for call in groups[key] if call["inference_id"] not in without]
    rows: list[Row] = []
    for (product, status, name, version), some in sorted(groups.items(), key=lambda each: _order(each[0])):
        if not some:
            continue
        common: Row = {"product": product, "status": status, "prompt_name": name, "prompt_version": version}
        common["of_calls"] = totals[product]
        if status == "changed" and prompts:
            rows += [common | variant for variant in _variants(some, prompts)]
        else:
            rows.append(common | {"calls": len(some), "example": some[0]["inference_id"]})
    return rows


def status_of(call: Mapping[str, Any], prompts: Sequence[RegisteredPrompt]) -> tuple[Status, str | None]:
    """The status of a call's prompt, and the version it names, by its release or by its text's digest."""
    by_digest = named_by(call["prompt_digest"], prompts)
    claimed = call["prompt_version"] or (by_digest.version if by_digest else call["prompt_digest"])
    text = instructions_text(call["input_messages"])
    if not text and call["input_messages"]:
        # Some products send the whole prompt as what the user says.
        said = question_text(call["input_messages"])
        text = said if any(is_made_from(said, each) for each in prompts) else ""
    if text:
        made_from = [each for each in prompts if is_made_from(text, each)]
        if not made_from:
            return "changed", claimed
        same = claimed is None or any(each.version == claimed for each in made_from)
        return ("registered" if same else "other_version"), claimed or made_from[-1].version
    if claimed is None and call["prompt_name"] is None:
        return "not_said", None
    named = [each for each in prompts if call["prompt_name"] in (None, each.name)]
    known = by_digest or any(claimed in (None, each.version) for each in named)
    return ("registered" if known else "unknown_version"), claimed


def _with_an_end_of_its_own(calls: Sequence[Row], prompts: Sequence[RegisteredPrompt]) -> list[Row]:
    """Calls of a group whose texts go on after a template's last variable with a line that others of them share."""
    said = [(instructions_text(call["input_messages"]), call) for call in calls]
    found = []
    for prompt in prompts:
        made = [(text, call) for text, call in said if text and is_made_from(text, prompt)]
        ends = appended([text for text, _ in made], prompt)
        found += [call for text, call in made if ends and last_line(text) in ends]
    return list({call["inference_id"]: call for call in found}.values())


def _variants(calls: Sequence[Row], prompts: Sequence[RegisteredPrompt]) -> list[Row]:
    """The changed texts of a group: what they are nearest to and what changed; shares are those of the compared."""
    by_lot = sorted(calls, key=lambda call: hashlib.blake2b(call["inference_id"].encode(), digest_size=8).digest())
    some = by_lot[:COMPARED]
    texts = [instructions_text(call["input_messages"]) for call in some]
    near = [max(((similarity(text, each), each) for each in prompts), key=lambda pair: pair[0]) for text in texts]
    found: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for prompt in {each.version: each for _, each in near}.values():
        places = [place for place, (_, each) in enumerate(near) if each == prompt]
        for place, skeleton in zip(places, skeletons([texts[each] for each in places], prompt), strict=True):
            found[prompt.name, prompt.version, changes(prompt, skeleton)].append(place)
    ordered = sorted(found.items(), key=lambda each: (-len(each[1]), each[0]))
    kept: list[tuple[tuple[str | None, str | None, str | None], list[int]]] = [*ordered]
    if len(ordered) > VARIANTS:
        others = [place for _, places in ordered[VARIANTS - 1 :] for place in places]
        kept = [*ordered[: VARIANTS - 1], ((None, None, None), others)]
    counts = _apportioned([len(places) for _, places in kept], len(calls))
    return [
        {
            "nearest_name": name,
            "nearest_version": version,
            "changes": changed or None,
            "calls": count,
            "similarity": sum(near[place][0] for place in places) / len(places),
            "example": some[places[0]]["inference_id"],
        }
        for ((name, version, changed), places), count in zip(kept, counts, strict=True)
    ]


def _apportioned(parts: Sequence[int], total: int) -> list[int]:
    """Whole numbers that sum to the total, in proportion to the parts, by largest remainder."""
    exact = [part * total / sum(parts) for part in parts]
    found = [int(each) for each in exact]
    for place in sorted(range(len(parts)), key=lambda each: found[each] - exact[each])[: total - sum(found)]:
        found[place] += 1
    return found


def _calls(lake_zone: Storage, day: dt.date) -> list[Row]:
    contents = lake.read(lake_zone, "contents", [day], ["inference_id", "input_messages"]).to_pylist()
    messages = {row["inference_id"]: row["input_messages"] for row in contents}
    rows = lake.read(lake_zone, "inferences", [day], _COLUMNS).to_pylist()
    answering = [row for row in rows if row["operation"] in (None, *ANSWERS)]
    return [
        row | {"input_messages": messages.get(row["inference_id"])}
        for row in sorted(answering, key=lambda row: row["inference_id"])
    ]


def _order(key: tuple[str | None, ...]) -> tuple[str, ...]:
    return tuple(part or "" for part in key)
