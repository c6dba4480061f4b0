"""`gen_ai.evaluation.result`: what an evaluation said of an answer, as feedback."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from canonry.service.formats._attributes import Attributes, real, text
from canonry.service.formats._spans import iso

_NAME = "gen_ai.evaluation.name"
_VALUE = "gen_ai.evaluation.score.value"
_LABEL = "gen_ai.evaluation.score.label"
_EXPLANATION = "gen_ai.evaluation.explanation"
_RESPONSE = "gen_ai.response.id"
_ORIGIN = "canonry.origin"

_ORIGINS = ("user", "reviewer", "implicit")
_GOOD = {"pass", "passed", "good", "positive", "correct", "relevant", "true", "yes", "up", "thumbs_up", "grounded"}
_BAD = {"fail", "failed", "bad", "negative", "incorrect", "not_relevant", "irrelevant", "false", "no", "down"} | {
    "thumbs_down",
    "not_correct",
    "not_grounded",
    "ungrounded",
}


def feedback(
    attributes: Attributes,
    time_ns: int,
    about_field: str,
    about: str | None,
    trace_id: str | None,
    span_id: str | None,
) -> dict[str, Any]:
    """Feedback from an evaluation's attributes. Its id is made from all it says, so that it is the same when resent.

    `about` is the id of the call or trace it hangs on; without one, the provider's response id names the call.
    `origin` is `implicit`, since a program said it, unless attribute canonry.origin says `user` or `reviewer`. All that
    the evaluation said is kept in `attributes`, text apart. Raises ValueError where it names nothing.
    """
    response = text(attributes.get(_RESPONSE))
    if about is None:
        if response is None:
            raise ValueError(f"{_RESPONSE}: missing; an evaluation needs a span, or the id of the response it is about")
        about_field, about = "inference_id", response
    whole = [trace_id, span_id, time_ns, attributes]
    digest = hashlib.blake2b(orjson.dumps(whole, option=orjson.OPT_SORT_KEYS, default=str), digest_size=16)
    origin = text(attributes.pop(_ORIGIN, None))
    found = {
        "feedback_id": f"evaluation-{digest.hexdigest()}",
        about_field: about,
        "given_at": iso(time_ns),
        "origin": origin if origin in _ORIGINS else "implicit",
        "signal": text(attributes.get(_NAME)) or "evaluation",
        "value": value_of(real(attributes.get(_VALUE)), text(attributes.get(_LABEL))),
        "comment": text(attributes.pop(_EXPLANATION, None)),
        "user_id": text(attributes.pop("enduser.id", None)) or text(attributes.pop("user.id", None)),
        "attributes": attributes or None,
    }
    return {name: each for name, each in found.items() if each is not None}


def value_of(score: float | None, label: str | None) -> float | None:
    """An evaluation's score from -1 (bad) to 1 (good), or None where its scale cannot be told.

    A label that everybody reads alike decides; else a score of 0 to 1 is a share, one below 0 is of this scale already,
    and one above 1 and up to 5 is a rating of 1 to 5.
    """
    said = (label or "").strip().lower().replace(" ", "_").replace("-", "_")
    if said in _GOOD or said in _BAD:
        return 1.0 if said in _GOOD else -1.0
    if score is None or not -1 <= score <= 5:
        return None
    if score < 0:
        return score
    return 2 * score - 1 if score <= 1 else (score - 3) / 2
