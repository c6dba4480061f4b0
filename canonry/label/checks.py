"""Holds tasks against their scheme's page before they are sent: the server itself takes anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from canonry.catalog import SchemeSpec
from canonry.label.config import SPANS

_TEXTS = ("item_id", "draw_id", "batch_id", "product", "question", "answer")


def check_tasks(tasks: Any, name: str, scheme: SchemeSpec) -> list[str]:
    """What the scheme's page does not allow, as `item ITEM: FIELD: what is wrong`; empty where all may be sent."""
    if not isinstance(tasks, list):
        return [f"expected a list of tasks, found {type(tasks).__name__}"]
    found = [
        f"{_which(task, row)}: {problem}" for row, task in enumerate(tasks) for problem in _task(task, name, scheme)
    ]
    items = [task["data"]["item_id"] for task in tasks] if not found else []
    return found + [
        f"item {each}: is there twice" for each in sorted({each for each in items if items.count(each) > 1})
    ]


def _task(task: Any, name: str, scheme: SchemeSpec) -> Iterator[str]:
    data = task.get("data") if isinstance(task, dict) else None
    if not isinstance(data, dict):
        yield "data: expected an object"
        return
    yield from _data(data, name, scheme)
    predictions = task.get("predictions", [])
    if not isinstance(predictions, list):
        yield "predictions: expected a list"
        return
    for place, each in enumerate(predictions):
        regions = each.get("result") if isinstance(each, dict) else None
        if not isinstance(regions, list):
            yield f"predictions.{place}.result: expected a list"
            continue
        for number, region in enumerate(regions):
            for field, problem in _region(region, str(data.get("answer", "")), scheme):
                yield f"predictions.{place}.result.{number}{field}: {problem}"


def _data(data: dict[str, Any], name: str, scheme: SchemeSpec) -> Iterator[str]:
    for field in _TEXTS:
        if not isinstance(data.get(field), str):
            yield f"data.{field}: expected a text, found {_shown(data.get(field))}"
    for field, wanted in (("scheme", name), ("scheme_version", scheme.version)):
        if data.get(field) != wanted:
            yield f"data.{field}: expected {wanted!r}, found {_shown(data.get(field))}"
    settles = data.get("adjudication")
    if settles is not None and (settles is not True or not isinstance(data.get("answers"), str)):
        yield "data.adjudication: expected true, and a text in data.answers"
    passages = data.get("passages")
    if not isinstance(passages, list):
        yield f"data.passages: expected a list, found {_shown(passages)}"
        return
    for place, each in enumerate(passages):
        if not isinstance(each, dict) or not all(isinstance(each.get(part), str) for part in ("chunk_id", "text")):
            yield f"data.passages.{place}: expected chunk_id and text, found {_shown(each)}"


def _region(region: Any, answer: str, scheme: SchemeSpec) -> Iterator[tuple[str, str]]:
    """Field and problem of one region of a prediction."""
    choices = {choice.name: choice.choices for choice in scheme.choices}
    control = region.get("from_name") if isinstance(region, dict) else None
    value = region.get("value") if isinstance(region, dict) else None
    marks = control == SPANS and bool(scheme.spans)
    if not isinstance(control, str) or not (marks or control in choices):
        known = ", ".join([*choices, *([SPANS] if scheme.spans else [])])
        yield ".from_name", f"{_shown(control)} is not on the scheme's page (it has {known})"
        return
    kind = "labels" if marks else "choices"
    if region.get("to_name") != "answer":
        yield ".to_name", f"expected 'answer', found {_shown(region.get('to_name'))}"
    if region.get("type") != kind:
        yield ".type", f"expected {kind!r}, found {_shown(region.get('type'))}"
    if not isinstance(value, dict):
        yield ".value", f"expected an object, found {_shown(value)}"
        return
    allowed, given = scheme.spans if marks else choices[control], value.get(kind)
    if not isinstance(given, list) or not given or (not marks and len(given) > 1):
        yield f".value.{kind}", f"expected {'labels' if marks else 'one answer'}, found {_shown(given)}"
    elif wrong := [each for each in given if each not in allowed]:
        yield f".value.{kind}", f"{_shown(wrong[0])} is not one of the scheme's ({', '.join(allowed)})"
    start, end = value.get("start"), value.get("end")
    if marks and not (type(start) is int and type(end) is int and 0 <= start < end <= len(answer)):
        yield ".value", f"{_shown(start)} to {_shown(end)} is no part of an answer of {len(answer)} characters"


def _which(task: Any, row: int) -> str:
    data = task.get("data") if isinstance(task, dict) else None
    item_id = data.get("item_id") if isinstance(data, dict) else None
    return f"item {item_id[:80]}" if isinstance(item_id, str) else f"task {row}"


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    return repr(value[:80] if isinstance(value, str) else value)
