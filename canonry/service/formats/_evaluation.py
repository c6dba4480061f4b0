"""`gen_ai.evaluation.result`: what an evaluation said of an answer, as feedback."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from canonry.service.formats import ItemError
from canonry.service.formats._attributes import Attributes, facts, real, take, text
from canonry.service.formats._names import USER
from canonry.service.formats._spans import iso

RESPONSE = "gen_ai.response.id"
"""The provider's id of the response that an evaluation is about."""

_NAME = "gen_ai.evaluation.name"
_VALUE = "gen_ai.evaluation.score.value"
_LABEL = "gen_ai.evaluation.score.label"
_EXPLANATION = "gen_ai.evaluation.explanation"
_ORIGIN = "canonry.origin"
_WORST, _BEST = "canonry.score.worst", "canonry.score.best"

_ORIGINS = ("user", "reviewer", "implicit")
_GOOD = frozenset(
    {"pass", "passed", "good", "correct", "relevant", "grounded", "factual", "faithful", "helpful", "safe"}
    | {"non_toxic", "not_toxic", "up", "thumbs_up"}
)
_BAD = frozenset(
    {"fail", "failed", "bad", "incorrect", "not_correct", "irrelevant", "not_relevant", "unrelated", "ungrounded"}
    | {"not_grounded", "hallucinated", "unfaithful", "unhelpful", "unsafe", "toxic", "down", "thumbs_down"}
)


def feedback(
    attributes: Attributes, time_ns: int, inference_id: str | None, trace_id: str | None, span_id: str | None
) -> dict[str, Any]:
    """Feedback from an evaluation's attributes. Its id is made from all it says, so that it is the same when resent.

    `inference_id` is the call it is about, by whatever id; without one it is about the trace. One that names a response
    is about no trace: where it was said is kept in `attributes`. `origin` is `implicit`,
    since a program said it, unless attribute canonry.origin says `user` or `reviewer`. All that the evaluation said is
    kept in `attributes`, text apart. Raises ItemError where it names neither a call nor a trace.
    """
    if inference_id is None and trace_id is None:
        raise ItemError(f"{RESPONSE}: missing; an evaluation needs a span, or the id of the response it is about")
    whole = [trace_id, span_id, time_ns, attributes]
    digest = hashlib.blake2b(orjson.dumps(whole, option=orjson.OPT_SORT_KEYS, default=str), digest_size=16)
    origin = text(attributes.pop(_ORIGIN, None))
    comment, user = text(attributes.pop(_EXPLANATION, None)), text(take(attributes, USER))
    kept = facts(attributes)
    if trace_id and inference_id not in (None, span_id):
        # A judge says it in a trace of its own, whose calls are the judge's.
        kept["trace_id"], trace_id = trace_id, None
    found = {
        "feedback_id": f"evaluation-{digest.hexdigest()}",
        "inference_id": inference_id,
        "trace_id": trace_id,
        "given_at": iso(time_ns),
        "origin": origin if origin in _ORIGINS else "implicit",
        "signal": text(attributes.get(_NAME)) or "evaluation",
        "value": value_of(
            real(attributes.get(_VALUE)),
            text(attributes.get(_LABEL)),
            worst=real(attributes.get(_WORST)),
            best=real(attributes.get(_BEST)),
        ),
        "comment": comment,
        "user_id": user,
        "attributes": kept or None,
    }
    return {name: each for name, each in found.items() if each is not None}


def value_of(
    score: float | None, label: str | None, *, worst: float | None = None, best: float | None = None
) -> float | None:
    """An evaluation's score from -1 (bad) to 1 (good); None where nobody has said what it means.

    A label that says by itself what is good (`pass`, `irrelevant`) decides; `yes`, `true` and `positive` do not, since
    a judge of hallucinations says them of bad answers. Else the score counts on the scale that is said, its `worst` and
    its `best`, whichever is the larger number.

    A score alone has no value, and no scale is guessed from it: 1 is the best of 0 to 1 and the worst of 1 to 5, 0 is
    the worst of 0 to 1 and the middle of -1 to 1, 0.9 is a good relevance and a bad toxicity. Guessing for some scores
    of an evaluator and not for others would bend its mean.
    """
    said = (label or "").strip().lower().replace(" ", "_").replace("-", "_")
    if said in _GOOD or said in _BAD:
        return 1.0 if said in _GOOD else -1.0
    if score is None or worst is None or best is None or not min(worst, best) <= score <= max(worst, best):
        return None
    # Each is halved first, since the distance of two numbers may be none.
    length = best / 2 - worst / 2
    return 2 * ((score / 2 - worst / 2) / length) - 1 if length else None
