"""Reads what reviewers said: Label Studio's own task JSON, checked against the scheme it does not enforce."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from canonry.catalog import SchemeSpec
from canonry.label.config import SPANS

T = TypeVar("T")

_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


@dataclass(frozen=True)
class Annotation:
    """One version of what one reviewer said of one item. Times are UTC without a zone."""

    annotation_id: str
    scheme: str
    scheme_version: str
    item_id: str
    draw_id: str
    annotator_hash: str
    created_at: dt.datetime
    updated_at: dt.datetime
    result: dict[str, Any] | None
    """Answer by choice name, and marked passages under `spans`; None where the reviewer skipped the item."""
    duration_s: float | None
    cancelled: bool
    simulated: bool
    adjudication: bool = False
    """Made of a task that asks somebody to settle what others are in doubt about: `data.adjudication` is true."""


@dataclass(frozen=True)
class AnnotationProblem:
    """Why a task or one of its annotations was not taken: which, in which field, and what it held."""

    task: str
    field: str
    message: str
    raw: Any

    def __str__(self) -> str:
        return f"task {self.task}: {self.field}: {self.message}"


def parse_task(task: Any, name: str, scheme: SchemeSpec, hash_key: bytes = b"") -> list[Annotation | AnnotationProblem]:
    """Annotations of one exported task, and a problem for each that cannot be taken; a bad one stops no other.

    `hash_key` (at most 64 bytes) hides who the reviewers are; without it, ids as small as Label Studio's are guessed.
    """
    try:
        item_id, draw_id = _identity(task, name, scheme)
        annotations = _get(task, "annotations", list)
    except _Wrong as wrong:
        return [AnnotationProblem(_task_name(task), wrong.field, wrong.message, task)]
    parsed: list[Annotation | AnnotationProblem] = []
    for position, raw in enumerate(annotations):
        try:
            annotation = _annotation(raw, item_id, draw_id, name, scheme, hash_key)
            settles = task["data"].get("adjudication") is True
            parsed.append(replace(annotation, adjudication=True) if settles else annotation)
        except _Wrong as wrong:
            field = f"annotations.{position}.{wrong.field}" if wrong.field else f"annotations.{position}"
            parsed.append(
                AnnotationProblem(_task_name(task), field, wrong.message, {"task": item_id, "annotation": raw})
            )
    return parsed


class _Wrong(Exception):
    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


def _identity(task: Any, name: str, scheme: SchemeSpec) -> tuple[str, str]:
    if not isinstance(task, dict):
        raise _Wrong("task", f"expected an object, found {type(task).__name__}")
    data = _get(task, "data", dict)
    if data.get("scheme") != name:
        found = _shown(data.get("scheme"))
        raise _Wrong("data.scheme", f"a foreign task: expected {name!r}, found {found}; import it where it belongs")
    if data.get("scheme_version") != scheme.version:
        message = f"expected {scheme.version}, found {_shown(data.get('scheme_version'))}"
        raise _Wrong("data.scheme_version", f"{message}; answers to another version's questions are not mixed in")
    return _get(data, "item_id", str, "data."), _get(data, "draw_id", str, "data.")


def _annotation(raw: Any, item_id: str, draw_id: str, name: str, scheme: SchemeSpec, hash_key: bytes) -> Annotation:
    if not isinstance(raw, dict):
        raise _Wrong("", f"expected an object, found {type(raw).__name__}")
    identifier = raw.get("id")
    if isinstance(identifier, bool) or not isinstance(identifier, int | str) or not _ID.fullmatch(str(identifier)):
        raise _Wrong("id", f"expected a number or a short name, found {_shown(identifier)}")
    cancelled = raw.get("was_cancelled") or False
    if not isinstance(cancelled, bool):
        raise _Wrong("was_cancelled", f"expected true or false, found {_shown(cancelled)}")
    created_at = _time(raw, "created_at")
    return Annotation(
        # Ids are unique in one Label Studio only; exports may come from several.
        annotation_id=f"{item_id}.{identifier}",
        scheme=name,
        scheme_version=str(scheme.version),
        item_id=item_id,
        draw_id=draw_id,
        annotator_hash=_annotator_hash(raw.get("completed_by"), hash_key),
        created_at=created_at,
        updated_at=_time(raw, "updated_at") if raw.get("updated_at") is not None else created_at,
        result=None if cancelled else _result(_get(raw, "result", list), scheme),
        duration_s=_duration(raw.get("lead_time")),
        cancelled=cancelled,
        simulated=_says_simulated(raw),
    )


def _says_simulated(raw: dict[str, Any]) -> bool:
    """Whether an annotation says so, or one of its regions: a server keeps what is said of a region alone."""
    regions = raw.get("result")
    parts = [raw, *(regions if isinstance(regions, list) else ())]
    metas = [part.get("meta") for part in parts if isinstance(part, dict)]
    return any(isinstance(meta, dict) and meta.get("simulated") is True for meta in metas)


def _result(regions: list[Any], scheme: SchemeSpec) -> dict[str, Any]:
    answers: dict[str, str] = {}
    spans: list[dict[str, Any]] = []
    choices = {choice.name: choice.choices for choice in scheme.choices}
    for position, region in enumerate(regions):
        field = f"result.{position}"
        if not isinstance(region, dict):
            raise _Wrong(field, f"expected an object, found {type(region).__name__}")
        control, value = region.get("from_name"), _get(region, "value", dict, f"{field}.")
        if control == SPANS and scheme.spans:
            spans += _spans(value, scheme.spans, f"{field}.value")
        elif isinstance(control, str) and control in choices:
            if control in answers:
                raise _Wrong(f"{field}.from_name", f"{control!r} is answered twice")
            answers[control] = _choice(value, choices[control], f"{field}.value.choices")
        else:
            known = ", ".join([*choices, *([SPANS] if scheme.spans else [])])
            raise _Wrong(f"{field}.from_name", f"{_shown(control)} is not asked by the scheme (it asks {known})")
    missing = [each for each in choices if each not in answers]
    if missing:
        raise _Wrong("result", f"no answer to {', '.join(missing)}; a reviewer who cannot tell skips the task")
    return {**answers, SPANS: spans} if scheme.spans else answers


def _choice(value: dict[str, Any], choices: tuple[str, ...], field: str) -> str:
    given = value.get("choices")
    if not isinstance(given, list) or len(given) != 1:
        raise _Wrong(field, f"expected one answer, found {_shown(given)}")
    if not isinstance(given[0], str) or given[0] not in choices:
        raise _Wrong(field, f"{_shown(given[0])} is not an answer of the scheme ({', '.join(choices)})")
    return given[0]


def _spans(value: dict[str, Any], labels: tuple[str, ...], field: str) -> Iterator[dict[str, Any]]:
    start, end = value.get("start"), value.get("end")
    if not (isinstance(start, int) and isinstance(end, int) and 0 <= start < end):
        raise _Wrong(field, f"expected start < end, found {_shown(start)} and {_shown(end)}")
    given = value.get("labels")
    if not isinstance(given, list) or not given:
        raise _Wrong(f"{field}.labels", f"expected a list of labels, found {_shown(given)}")
    for label in given:
        if not isinstance(label, str) or label not in labels:
            raise _Wrong(f"{field}.labels", f"{_shown(label)} is not a label of the scheme ({', '.join(labels)})")
        yield {"start": start, "end": end, "label": label}


def _time(raw: dict[str, Any], field: str) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(raw[field])
        return moment.astimezone(dt.UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (KeyError, TypeError, ValueError, OverflowError):
        raise _Wrong(field, f"expected an ISO 8601 time, found {_shown(raw.get(field))}") from None


def _duration(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise _Wrong("lead_time", f"expected seconds, found {_shown(value)}")
    return float(value)


def _annotator_hash(completed_by: Any, hash_key: bytes) -> str:
    if isinstance(completed_by, dict):
        completed_by = completed_by.get("id", completed_by.get("email"))
    if isinstance(completed_by, bool) or not isinstance(completed_by, int | str) or completed_by == "":
        raise _Wrong("completed_by", "nobody is named; one reviewer's answers could not be told from another's")
    return hashlib.blake2b(str(completed_by).encode(), digest_size=16, key=hash_key).hexdigest()


def _get(document: dict[str, Any], field: str, kind: type[T], where: str = "") -> T:
    value = document.get(field)
    if not isinstance(value, kind):
        expected = {"dict": "an object", "list": "a list", "str": "a text"}[kind.__name__]
        hint = '; export as "JSON", not "JSON-MIN"' if field in ("data", "annotations") else ""
        raise _Wrong(f"{where}{field}", f"expected {expected}, found {type(value).__name__}{hint}")
    return value


def _task_name(task: Any) -> str:
    data = task.get("data") if isinstance(task, dict) else None
    item_id = data.get("item_id") if isinstance(data, dict) else None
    identifier = task.get("id") if isinstance(task, dict) else None
    return next((str(each)[:80] for each in (item_id, identifier) if isinstance(each, int | str)), "?")


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):  # may be nested deeper than Python can print
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    return repr(value[:80] if isinstance(value, str) else value)
