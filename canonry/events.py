"""The events products send, field by field. Names follow OpenTelemetry's GenAI conventions where they have one.

Times are UTC, tokens are integers, latency is milliseconds. One table of fields a kind gives the landing
writer, the lake's Parquet schema, the checks on reading and the documentation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from canonry.feedback import SIGNALS

SCHEMA_VERSION = 1

FieldType = Literal["text", "integer", "real", "boolean", "time", "json", "retrieved"]


@dataclass(frozen=True)
class Field:
    """One field of an event: its name, type, and what makes a value wrong."""

    name: str
    type: FieldType
    description: str
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    one_of: tuple[str, ...] = ()
    of_signal: tuple[tuple[str, tuple[float, ...]], ...] = ()
    """Numbers it must be one of where the event's `signal` is so named."""


@dataclass(frozen=True)
class EventType:
    """A kind of event: where it lies (`name`), what identifies it, and which time is its day."""

    name: str
    id_field: str
    time_field: str
    fields: tuple[Field, ...]
    contents: tuple[Field, ...] = ()
    """Text, kept apart from facts in `lake/contents` or `lake/step_contents` so that a person's words can be erased."""

    @property
    def all_fields(self) -> tuple[Field, ...]:
        """Facts, then contents."""
        return self.fields + self.contents

    @property
    def field_names(self) -> frozenset[str]:
        """Names a product may send."""
        return frozenset(field.name for field in self.all_fields)


def _text(name: str, description: str, *, required: bool = False) -> Field:
    return Field(name, "text", description, required=required)


def _count(name: str, description: str) -> Field:
    return Field(name, "integer", description, minimum=0, maximum=1e12)


def _milliseconds(name: str, description: str) -> Field:
    return Field(name, "real", description, minimum=0)


ENVELOPE = (
    Field("received_at", "time", "When the platform received the event, UTC.", required=True),
    Field("source", "text", "Which source brought it: a name in assets/sources/.", required=True),
    Field("schema_version", "integer", "Version of this table of fields.", required=True),
    Field("digest", "text", "BLAKE2b-128 of the event as received, envelope apart.", required=True),
)
"""What the landing writer adds to every event."""

INFERENCE = EventType(
    name="inferences",
    id_field="inference_id",
    time_field="started_at",
    fields=(
        _text("inference_id", "Identifies the call: a ULID or span id; duplicates are found by it.", required=True),
        _text("provider_response_id", "The provider's id of the response; reconciles two logs of one call."),
        _text("trace_id", "The trace the call belongs to."),
        _text("span_id", "The call's span in its trace."),
        _text("session_id", "The user's session or conversation."),
        Field("started_at", "time", "When the call began, UTC.", required=True),
        _text("product", "The product that called.", required=True),
        _text("team", "The team that owns the product and pays for it.", required=True),
        _text("feature", "The feature of the product."),
        _text("environment", "production, staging, …"),
        _text("operation", "chat, text_completion, embeddings, …"),
        _text("provider", "Who served the model, as in gen_ai.provider.name."),
        _text("request_model", "The model asked for."),
        _text("response_model", "The model version that answered."),
        _text("system_fingerprint", "The provider's fingerprint of its configuration."),
        _text("service_tier", "The provider's service tier."),
        Field("parameters", "json", "Request parameters (temperature, max_tokens, …)."),
        _count("attempt", "Which attempt at the same request this was, from 1."),
        _text("arm", "Arm of a canary or experiment."),
        _text("prompt_name", "Canonical prompt used."),
        _text("prompt_version", "Its release version."),
        _text("prompt_digest", "Digest of the prompt's text, where the product keeps its own."),
        _text("index_name", "Canonical index searched."),
        _text("index_version", "Its release version."),
        _count("input_tokens", "Input tokens, cached ones included."),
        _count("cache_read_tokens", "Of those, read from the provider's cache."),
        _count("cache_write_tokens", "Of those, written to the provider's cache."),
        _count("output_tokens", "Output tokens, reasoning included."),
        _count("reasoning_tokens", "Of those, reasoning."),
        _milliseconds("latency_ms", "From request to last byte, milliseconds."),
        _milliseconds("time_to_first_token_ms", "From request to first token, milliseconds."),
        _text("finish_reason", "stop, length, content_filter, …"),
        _text("error_type", "What failed; absent where nothing did."),
        Field("cache_hit", "boolean", "Answered from the gateway's own cache, free of charge."),
        _text("user_hash", "Keyed hash of the user's id."),
        Field("attributes", "json", "Everything else the product sent, unknown fields included."),
        _text("logged_by", "What saw the call: an instrumentation's name, litellm, …; the product where absent."),
    ),
    contents=(
        Field("input_messages", "json", "Messages sent, as in gen_ai.input.messages."),
        Field("output_messages", "json", "Messages answered, as in gen_ai.output.messages."),
        Field("retrieved", "retrieved", "What was retrieved for the answer: chunk_id, score, text."),
    ),
)

STEP = EventType(
    name="steps",
    id_field="step_id",
    time_field="started_at",
    fields=(
        _text("step_id", "Identifies the step: its span id.", required=True),
        _text("trace_id", "The trace it belongs to.", required=True),
        _text("parent_id", "The span it was called from."),
        Field("started_at", "time", "When it began, UTC.", required=True),
        _text("product", "The product it ran in.", required=True),
        _text("team", "The team that owns the product."),
        _text("operation", "retriever, tool, pipeline, …", required=True),
        _text("name", "Name of the retriever or tool."),
        _milliseconds("latency_ms", "From start to end, milliseconds."),
        _text("error_type", "What failed; absent where nothing did."),
        Field("attributes", "json", "Everything else the product sent."),
    ),
    contents=(
        _text("query", "What the retriever was asked, or the tool or pipeline was given."),
        Field("retrieved", "retrieved", "What it retrieved: chunk_id, score, text."),
        Field("result", "json", "What a tool or pipeline gave back."),
    ),
)

FEEDBACK = EventType(
    name="feedback",
    id_field="feedback_id",
    time_field="given_at",
    fields=(
        _text("feedback_id", "Identifies the feedback.", required=True),
        _text("inference_id", "The call it is about; or give trace_id."),
        _text("trace_id", "The trace it is about: its last answering call, where none is named or known."),
        Field("given_at", "time", "When it was given, UTC.", required=True),
        Field("origin", "text", "Who gave it.", required=True, one_of=("user", "reviewer", "implicit")),
        _text("signal", f"{', '.join(SIGNALS)}; other names are kept, and never estimated from.", required=True),
        Field(
            "value",
            "real",
            "From -1 (bad) to 1 (good), as the signal's meaning in canonry/feedback.py says.",
            minimum=-1,
            maximum=1,
            of_signal=tuple((each.name, each.values) for each in SIGNALS.values() if each.values),
        ),
        _text("comment", "What the person wrote."),
        _text("correction", "What the answer should have been."),
        _text("user_hash", "Keyed hash of the user's id."),
        Field("attributes", "json", "Everything else the product sent."),
        _text("team", "The team that gave it, as its key says; the call's own team may be another."),
    ),
)

ANNOTATION = EventType(
    name="annotations",
    id_field="annotation_id",
    time_field="created_at",
    fields=(
        _text("annotation_id", "Identifies the annotation in the tool it was made with.", required=True),
        _text("scheme", "Labeling scheme: a name in assets/schemes/.", required=True),
        _text("scheme_version", "Version of the scheme."),
        _text("item_id", "What was labeled.", required=True),
        _text("draw_id", "The draw that chose the item; without it no interval is given."),
        _text("inference_id", "The call that was labeled."),
        _text("annotator_hash", "Keyed hash of the annotator."),
        Field("created_at", "time", "When it was made, UTC.", required=True),
        Field("updated_at", "time", "When it was last changed, UTC."),
        Field("deleted_at", "time", "When it was deleted, UTC; absent where it stands."),
        Field("result", "json", "Values by the scheme's field names."),
        Field("duration_s", "real", "Time the annotator took, seconds.", minimum=0),
        Field("cancelled", "boolean", "The annotator skipped the item."),
        Field("simulated", "boolean", "Made by a program that plays a reviewer, not by a person."),
        Field("attributes", "json", "Everything else the source sent."),
    ),
)

EVENT_TYPES = {each.name: each for each in (INFERENCE, STEP, FEEDBACK, ANNOTATION)}
"""Kinds of event by the name of their folder in landing and lake."""
