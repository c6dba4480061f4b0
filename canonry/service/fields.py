"""What collect would find wrong in an event, found while whoever sent it can still be told.

Reasons name fields, types and bounds, never values: they go into answers and logs. What cannot be judged here without
a database is left to collect.
"""

from __future__ import annotations

import datetime as dt
import math
import sys
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from canonry.events import EVENT_TYPES, Field

Check = Callable[[dict[str, Any]], str | None]
"""Completes a document where something is left to the door, and gives the reason why it is rejected."""

_NAMES = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}


@lru_cache(1_000)
def checker(kind: str, team: str) -> Check:
    """A check of documents of a kind on behalf of a team; "" is nobody's, and leaves an event's own team standing."""
    required, numbers, others = _judges(kind)
    sets_team = any(field.name == "team" for field in EVENT_TYPES[kind].fields)
    numbers_of_signal = [(field.name, dict(field.of_signal)) for field in EVENT_TYPES[kind].fields if field.of_signal]

    def check(document: dict[str, Any]) -> str | None:
        get = document.get
        claimed = get("team")
        if claimed is None or claimed == "":
            if sets_team:
                document["team"] = team or "local"
        elif team and claimed != team:
            return f"team: the key belongs to {team}; leave team out, or use a key of that team"
        for name in required:
            if (value := get(name)) is None or value == "":
                return f"{name}: missing"
        for name, types, low, high, judge in numbers:
            # Most numbers are numbers, and in their bounds.
            if (value := get(name)) is None or (type(value) in types and low <= value <= high):
                continue
            if reason := judge(value):
                return reason
        for name, judge in others:
            if (value := get(name)) is not None and (reason := judge(value)):
                return reason
        return _not_of_signal(document, numbers_of_signal) if numbers_of_signal else None

    return check


Judge = Callable[[Any], str | None]
"""Says what is wrong with a value that is there."""


@cache
def _judges(
    kind: str,
) -> tuple[
    tuple[str, ...],
    tuple[tuple[str, frozenset[type], float, float, Judge], ...],
    tuple[tuple[str, Judge], ...],
]:
    """Fields that must be there (the landing writer says of two); what judges numbers, their bounds; and the rest."""
    event_type = EVENT_TYPES[kind]
    theirs = (event_type.id_field, event_type.time_field)
    required = tuple(field.name for field in event_type.fields if field.required and field.name not in theirs)
    numbers = []
    others = []
    for field in event_type.all_fields:
        judge = _judge(field)
        if field.name in theirs or judge is None:
            continue
        if field.type in ("integer", "real"):
            low = -sys.float_info.max if field.minimum is None else field.minimum
            high = sys.float_info.max if field.maximum is None else field.maximum
            types: frozenset[type] = frozenset({int}) if field.type == "integer" else frozenset({int, float})
            numbers.append((field.name, types, low, high, judge))
        else:
            others.append((field.name, judge))
    return required, tuple(numbers), tuple(others)


def _not_of_signal(document: dict[str, Any], fields: list[tuple[str, dict[str, tuple[float, ...]]]]) -> str | None:
    signal = document.get("signal")
    for name, numbers in fields:
        allowed = numbers.get(signal) if isinstance(signal, str) else None
        value = document.get(name)
        if allowed and value is not None and (_as_number(value) if isinstance(value, str) else value) not in allowed:
            return f"{name}: is not {' or '.join(f'{number:g}' for number in allowed)}, as {signal} needs"
    return None


def _judge(field: Field) -> Judge | None:
    if field.type in ("integer", "real"):
        return _number(field)
    if field.type == "text" and field.one_of:
        return lambda value: None if value in field.one_of else f"{field.name}: is none of {', '.join(field.one_of)}"
    if field.type == "boolean":
        return lambda value: None if _is_boolean(value) else f"{field.name}: {_found(value)} is not true or false"
    if field.type == "time":
        return lambda value: None if _is_time(value) else f"{field.name}: {_found(value)} is not an ISO 8601 time"
    if field.type == "retrieved":
        return lambda value: None if type(value) is list else f"{field.name}: is not a list of chunk_id, score, text"
    return None


def _number(field: Field) -> Judge:
    name, whole = field.name, field.type == "integer"
    low = -math.inf if field.minimum is None else field.minimum
    high = math.inf if field.maximum is None else field.maximum
    noun = "a whole number" if whole else "a number"

    def judge(value: Any) -> str | None:
        number = value if type(value) is int or type(value) is float else _as_number(value)
        if number is None or not math.isfinite(number):
            return f"{name}: {_found(value)} is not {noun}"
        if whole and number != int(number):
            return f"{name}: is not whole"
        if number < low:
            return f"{name}: is below {low:g}"
        if number > high:
            return f"{name}: is above {high:g}"
        return None

    return judge


def _as_number(value: Any) -> float | None:
    """A number that was sent as text, as collect reads it, too."""
    if isinstance(value, bool) or not isinstance(value, str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _is_boolean(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in ("true", "false", "t", "f", "yes", "no", "y", "n", "1", "0")
    return isinstance(value, bool) or value in (0, 1)


def _is_time(value: Any) -> bool:
    try:
        dt.datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True


def _found(value: Any) -> str:
    return _NAMES.get(type(value), type(value).__name__)
