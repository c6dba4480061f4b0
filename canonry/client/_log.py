"""What a product calls to log: one log for the whole process, made at first use from the environment."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from canonry.client._call import Call
from canonry.client._delivery import Stats
from canonry.client._event import common_fields, last_inference, undo
from canonry.client._event_log import EventLog
from canonry.client._logger import note

_logs: dict[str, EventLog] = {}


def log_inference(**fields: Any) -> str:
    """Log a call to a model; gives its `inference_id`.

    Fields are those of `canonry.events.INFERENCE`: times in UTC, tokens as integers, latency in milliseconds; fields of
    other names are kept in `attributes`. `inference_id` is made, and `started_at` is now, where they are absent.
    Takes some microseconds, does no I/O, raises nothing.

    >>> inference_id = log_inference(
    ...     product="docs-site", team="docs", request_model="gpt-5", output_tokens=38, latency_ms=210.5
    ... )
    >>> len(inference_id)
    26
    """
    return default_log().log_inference(**fields)


def give_feedback(
    inference_id: str | None = None,
    *,
    trace_id: str | None = None,
    signal: str,
    value: float | None = None,
    comment: str | None = None,
    correction: str | None = None,
    origin: str = "user",
    **fields: Any,
) -> str:
    """Log what somebody thought of a call, or of a trace's last answering call; gives its `feedback_id`.

    `signal` is one of `canonry.feedback.SIGNALS`, which says what each means, or a name of your own; `value` lies
    between -1 (bad) and 1 (good); `origin` is user, reviewer or implicit. Fields are those of
    `canonry.events.FEEDBACK`. Raises nothing; a value that the signal cannot have is counted in `stats().rejected`.

    >>> inference_id = log_inference(product="docs-site", team="docs")
    >>> feedback_id = give_feedback(inference_id, signal="thumb", value=-1, comment="This is the old price.")

    What the user sent instead of the answer:

    >>> from canonry.client import edit_distance
    >>> changed = edit_distance("Press the button.", "Press the red button.")
    >>> feedback_id = give_feedback(inference_id, signal="edit_distance", value=1 - 2 * changed, origin="implicit")
    """
    return default_log().give_feedback(
        inference_id,
        trace_id=trace_id,
        signal=signal,
        value=value,
        comment=comment,
        correction=correction,
        origin=origin,
        **fields,
    )


def inference(**fields: Any) -> Call:
    """Time a call and log it, with `error_type` where it raises; what it raises goes on to the caller.

    >>> with inference(product="docs-site", team="docs", request_model="gpt-5") as call:
    ...     answer = "Press the button."
    ...     call.output_tokens = 3
    ...     call.set(finish_reason="stop")
    >>> call.latency_ms > 0
    True

    As a decorator of a function or a coroutine function, with `current_call()` to say more from inside:

    >>> @inference(product="docs-site", team="docs")
    ... def answer(question):
    ...     current_call().input_messages = [{"role": "user", "content": question}]
    ...     return "Press the button."
    >>> from canonry.client import current_call
    >>> answer("How do I reset it?")
    'Press the button.'
    """
    # The environment is read when the first call ends, not when a function is decorated.
    return Call(default_log, fields)


@contextmanager
def event_fields(**fields: Any) -> Iterator[None]:
    """Fields of every inference that is logged inside, by whatever logs it; those of the call itself come first.

    >>> with event_fields(session_id="s-17", prompt_name="docs-answer"):
    ...     inference_id = log_inference(product="docs-site", team="docs")
    """
    ours: Mapping[str, Any] = {**common_fields.get({}), **fields}
    token = common_fields.set(ours)
    try:
        yield
    finally:
        undo(token, ours, {})


def last_inference_id() -> str | None:
    """Id of the call logged last in this thread or task: what feedback on a wrapped client's answer refers to.

    >>> log_inference(product="docs-site", team="docs") == last_inference_id()
    True
    """
    return last_inference.get(None)


def flush(timeout: float = 5.0) -> bool:
    """Wait until everything logged before is sent, at most `timeout` seconds; False where something still waits.

    Not needed at the end of a process, which flushes by itself for up to two seconds.

    >>> inference_id = log_inference(product="docs-site", team="docs")
    >>> flush()
    True
    """
    return default_log().flush(timeout)


async def aflush(timeout: float = 5.0) -> bool:
    """`flush`, without holding up the event loop.

    >>> import asyncio
    >>> asyncio.run(aflush())
    True
    """
    return await default_log().aflush(timeout)


def stats() -> Stats:
    """What became of the events of this process: how many are queued, spooled, sent, rejected, dropped.

    >>> inference_id = log_inference(product="docs-site", team="docs")
    >>> flush(), stats().queued, stats().dropped
    (True, 0, 0)
    """
    return default_log().stats()


def default_log() -> EventLog:
    """The process's log: CANONRY_URL and CANONRY_API_KEY, or else CANONRY_HOME and CANONRY_SOURCE, say where it goes.

    Without them it counts every event as dropped, and one warning says what to set.
    """
    found = _logs.get("default")
    # Of two threads that are first at one time, both get the same.
    return found if found is not None else _logs.setdefault("default", _from_environment())


def _from_environment() -> EventLog:
    said = os.environ.get
    try:
        return EventLog(said("CANONRY_URL"), said("CANONRY_API_KEY"), said("CANONRY_HOME"), said("CANONRY_SOURCE"))
    except Exception as error:
        note(logging.WARNING, "events are dropped: %s", error)
        return EventLog.disabled()
