"""From what a product says to a line of JSON, as it was at that moment."""

from __future__ import annotations

import datetime as dt
import gc
import sys
import threading
from collections.abc import Mapping
from contextvars import ContextVar, Token
from typing import Any, TypeVar

import orjson

from canonry.client._identifier import new_id

Value = TypeVar("Value")

common_fields: ContextVar[Mapping[str, Any]] = ContextVar("canonry_event_fields")
"""Fields of every inference that is logged in this context."""

last_inference: ContextVar[str] = ContextVar("canonry_last_inference")
"""Id of the call that was logged last in this context."""

_collecting_thread = 0
"""The thread in whose midst garbage is collected, before Python 3.12."""

_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY


def remember(inference_id: str) -> None:
    """Note the id of the call that was logged last in this context; not for calls that finalisers log.

    Before Python 3.12 garbage is collected inside of `ContextVar.set`, too. A finaliser that sets a variable of the
    same context then frees what the interrupted `set` is walking, and the interpreter crashes.
    """
    if not _in_a_finaliser():
        last_inference.set(inference_id)


def undo(token: Token[Value], ours: Value, otherwise: Value) -> None:
    """Give a variable the value it had before `ours`, or `otherwise`; raises nothing, wherever what set it ends.

    A generator may have been begun in another context. Where that one was copied with our value in it, as for a task,
    it is undone as well. What is collected as garbage is left alone, as by `remember`.
    """
    if _in_a_finaliser():
        return
    try:
        token.var.reset(token)
    except ValueError:
        if token.var.get(otherwise) is ours:
            token.var.set(otherwise if token.old_value is Token.MISSING else token.old_value)


def _in_a_finaliser() -> bool:
    """Whether garbage is collected in the midst of this thread, as far as it matters."""
    return _collecting_thread == threading.get_ident()


def _note_collection(phase: str, _: dict[str, int]) -> None:
    global _collecting_thread
    _collecting_thread = threading.get_ident() if phase == "start" else 0


if sys.version_info < (3, 12):
    gc.callbacks.append(_note_collection)


def in_context(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a call, with those of this context and its trace."""
    said = {**common_fields.get({}), **fields}
    if said.get("trace_id") is None and (trace := _current_trace()):
        said["trace_id"] = trace
    return said


def inference_event(defaults: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """An inference with its id and start; fields that are None are left out."""
    event = {"inference_id": None, "started_at": None, **defaults, **fields}
    event["inference_id"] = str(event["inference_id"] or new_id())
    event["started_at"] = event["started_at"] or dt.datetime.now(dt.UTC)
    return {name: value for name, value in event.items() if value is not None}


def feedback_event(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Feedback with its id and time; fields that are None are left out."""
    event = {"feedback_id": None, "given_at": None, **fields}
    event["feedback_id"] = str(event["feedback_id"] or new_id())
    event["given_at"] = event["given_at"] or dt.datetime.now(dt.UTC)
    return {name: value for name, value in event.items() if value is not None}


def line_of(event: Mapping[str, Any]) -> bytes:
    """The event as JSON; what JSON has no form for becomes text. Raises where even that fails."""
    try:
        return orjson.dumps(event, default=_plain, option=_OPTIONS)
    except TypeError:
        # A number beyond 64 bits, half a surrogate pair, a loop: rare, and worth a slower way.
        return orjson.dumps(_cleaned(event, 0), default=_plain, option=_OPTIONS)


def _current_trace() -> str | None:
    """Id of the OpenTelemetry trace this runs in, where the product has OpenTelemetry."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    context = trace.get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else None


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", exclude_unset=True)
    if isinstance(value, (set, frozenset)):
        return list(value)
    return str(value)


def _cleaned(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, int) and not isinstance(value, bool) and not -(1 << 63) <= value < 1 << 64:
        return str(value)
    if depth > 100:
        return "…"
    if isinstance(value, Mapping):
        return {str(_cleaned(str(name), depth)): _cleaned(each, depth + 1) for name, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_cleaned(each, depth + 1) for each in value]
    return value
