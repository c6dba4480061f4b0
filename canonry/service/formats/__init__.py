"""Foreign formats of what products did, each converted to the platform's events: pure functions over request bodies.

`otlp` takes OpenTelemetry traces and logs (with `genai` and `openinference` as what attributes mean), `litellm` takes
a LiteLLM proxy's log. None of them sets `team`: that is the key's to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PROTOBUF, JSON = "application/x-protobuf", "application/json"

MAX_ITEMS = 10_000
"""Events, spans or records of one body. Each takes far more memory than the few bytes that it may be packed into."""


class FormatError(ValueError):
    """The whole body cannot be read; the message says what was expected and never shows the body."""

    status = 400
    """What HTTP calls it."""


class TooMany(FormatError):
    """A body of more than one may hold."""

    status = 413


class UnknownType(FormatError):
    """A body of a content type that its format does not come in."""

    status = 415


class ItemError(ValueError):
    """One item of a body cannot be read; the message says which field is wrong, and nothing of what the item says."""


def media_type(content_type: str) -> str:
    """What a Content-Type header names, its parameters left out."""
    return content_type.partition(";")[0].strip().lower()


def check_count(items: int) -> None:
    """Raise TooMany where a body holds more than MAX_ITEMS; to be called before anything is made of them."""
    if items > MAX_ITEMS:
        raise TooMany(f"{items:,} items in one request, at most {MAX_ITEMS:,}; send smaller batches")


def reason_of(error: Exception) -> str:
    """Why an item is rejected. Whatever is odd about one, the others are taken; what it held is not repeated."""
    return str(error) if isinstance(error, ItemError) else f"event: cannot be read: {type(error).__name__}"


@dataclass(frozen=True)
class Converted:
    """What a body came to."""

    events: tuple[tuple[str, Mapping[str, Any]], ...]
    """Kind (a name in canonry.events.EVENT_TYPES) and event, as the landing writer takes it."""

    rejected: tuple[tuple[int, str, bytes], ...] = ()
    """Of items that are no event but should be: position in the body from 0, reason, and the item as JSON."""

    other: Mapping[str, int] = field(default_factory=dict)
    """Items that say nothing of a model's use, counted by kind, of which there are few; they are not kept."""
