"""What a product logs of one call: the inference with its contents, the retriever's step, and later a user's thumb.

What is simulated says so: `attributes.simulated` names the simulated fields of a call, and is true on a thumb.
`attributes.simulation` is what only a simulation can know: which document the question was made from.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from canonry.demo.answerer import PROVIDER
from canonry.demo.assistant import PROMPT, Reply
from canonry.demo.knowledge import INDEX
from canonry.demo.products import FINGERPRINTS, LATEST, PlannedCall, digest, seeded

Event = dict[str, Any]

SIMULATED_FIELDS = [
    "product",
    "team",
    "feature",
    "arm",
    "started_at",
    "session_id",
    "user_hash",
    "system_fingerprint",
    "input_messages",
]
"""Of an inference. Retrieval, answer, latency and tokens are what they were."""

_GIVES_THUMB = 0.25
_MISTAKEN = 0.15
_LATE = 0.12


def inference(call: PlannedCall, reply: Reply, index_version: str, prompt_version: str) -> Event:
    """The call, in the fields of `canonry.events`."""
    answered = reply.answer
    return {
        "inference_id": call.span_id,
        "trace_id": call.trace_id,
        "span_id": call.span_id,
        "session_id": call.session,
        "started_at": _utc(call.asked_at),
        "product": call.product.name,
        "team": call.product.team,
        "feature": call.feature,
        "environment": "demo",
        "operation": "chat",
        "provider": PROVIDER,
        "request_model": reply.model_version,
        "response_model": reply.model_version,
        "system_fingerprint": FINGERPRINTS[call.updated],
        "attempt": 1,
        "arm": call.arm,
        "prompt_name": PROMPT,
        "prompt_version": prompt_version,
        "index_name": INDEX,
        "index_version": index_version,
        "input_tokens": reply.input_tokens,
        "output_tokens": reply.output_tokens,
        "latency_ms": reply.latency_ms,
        "finish_reason": "stop" if answered else None,
        "error_type": reply.error_type,
        "cache_hit": reply.cache_hit,
        "user_hash": call.user,
        "input_messages": [
            *([_message("system", answered.prompt)] if answered else []),
            _message("user", call.question.text),
        ],
        "output_messages": [_message("assistant", answered.text)] if answered else [],
        "retrieved": [{"chunk_id": hit.chunk_id, "score": hit.score, "text": hit.text} for hit in reply.retrieved],
        "attributes": {
            "quoted_document": answered.quoted.document_id if answered else None,
            "simulated": SIMULATED_FIELDS,
            "simulation": {"asked_about": call.question.document_id},
        },
    }


def retriever_step(call: PlannedCall, reply: Reply) -> Event | None:
    """The search of the index; a cached answer needed none."""
    if reply.retrieval_ms is None:
        return None
    return {
        "step_id": digest("step", call.trace_id)[:16],
        "trace_id": call.trace_id,
        "parent_id": call.span_id,
        "started_at": _utc(call.asked_at),
        "product": call.product.name,
        "team": call.product.team,
        "operation": "retriever",
        "name": INDEX,
        "latency_ms": reply.retrieval_ms,
        "attributes": {"simulated": ["product", "team", "started_at"]},
    }


def thumb(call: PlannedCall, reply: Reply) -> tuple[dt.datetime, Event] | None:
    """A user's opinion and when it was given; most users have none, and some are mistaken.

    It is made from whether the quoted passage is of the document that was asked about.
    """
    chance = seeded("thumb", call.trace_id)
    if reply.answer is None or chance.random() >= _GIVES_THUMB:
        return None
    liked = (reply.answer.quoted.document_id == call.question.document_id) != (chance.random() < _MISTAKEN)
    late = chance.random() < _LATE
    waited = LATEST * float(chance.random()) if late else dt.timedelta(seconds=5 + float(chance.exponential(120)))
    given_at = call.asked_at + waited
    # The support desk knows a conversation, not the calls in it.
    about = {"trace_id": call.trace_id} if call.product.team == "support" else {"inference_id": call.span_id}
    return given_at, {
        "feedback_id": digest("thumb", call.trace_id)[:16],
        **about,
        "given_at": _utc(given_at),
        "origin": "user",
        "signal": "thumb",
        "value": 1 if liked else -1,
        "user_hash": call.user,
        "attributes": {"simulated": True},
    }


def _message(role: str, text: str) -> Event:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def _utc(moment: dt.datetime) -> str:
    return moment.isoformat(timespec="milliseconds") + "Z"
