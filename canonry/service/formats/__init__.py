"""Foreign formats of what products did, each converted to the platform's events: pure functions over request bodies.

`otlp` takes OpenTelemetry traces and logs (with `genai` and `openinference` as what attributes mean), `litellm` takes
a LiteLLM proxy's log. None of them sets `team`: that is the key's to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class FormatError(ValueError):
    """The whole body cannot be read; the message says what was expected and never shows the body."""


@dataclass(frozen=True)
class Converted:
    """What a body came to."""

    events: tuple[tuple[str, Mapping[str, Any]], ...]
    """Kind (a name in canonry.events.EVENT_TYPES) and event, as the landing writer takes it."""

    rejected: tuple[tuple[int, str, bytes], ...] = ()
    """Of items that are no event but should be: position in the body from 0, reason, and the item as JSON."""

    other: Mapping[str, int] = field(default_factory=dict)
    """Items that say nothing of a model's use, counted by kind; they are not kept."""
