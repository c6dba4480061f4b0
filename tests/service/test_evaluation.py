"""What an evaluation's score and label are worth as feedback, and what they are not."""

from __future__ import annotations

import pytest

from canonry.service.formats._evaluation import value_of
from canonry.service.formats._names import USER
from tests.service.spans import CHAT, START, TRACE, attributes, convert, event, logs, span

EVALUATION = "gen_ai.evaluation"


def given(**said):
    """The feedback of an evaluation on a call."""
    named = {f"{EVALUATION}.{name.replace('_', '.')}": value for name, value in said.items() if name != "scale"}
    scale = dict(zip(("canonry.score.worst", "canonry.score.best"), said.get("scale", ()), strict=False))
    found = convert(span(1, CHAT, events=[event(f"{EVALUATION}.result", {**named, **scale})]))
    ((_, feedback),) = [each for each in found.events if each[0] == "feedback"]
    return feedback


@pytest.mark.parametrize("score", [-1.0, 0.0, 0.5, 0.9, 1.0, 3.0, 5.0, 97.0])
@pytest.mark.parametrize("name", ["relevance", "hallucination", "toxicity", "stars"])
def test_a_score_of_no_scale_is_kept_and_has_no_value(name, score):
    feedback = given(name=name, score_value=score)
    assert "value" not in feedback
    assert feedback["attributes"][f"{EVALUATION}.score.value"] == score
    assert feedback["signal"] == name


@pytest.mark.parametrize(
    ("score", "scale", "expected"),
    [
        *((1.0, (1, 5), -1), (3.0, (1, 5), 0), (5.0, (1, 5), 1), (4.5, (1, 5), 0.75)),
        *((1.0, (0, 1), 1), (0.25, (0, 1), -0.5), (0.0, (-1, 1), 0), (80, (0, 100), 0.6), (0.5, (0.5, 1.5), -1)),
        *((1.0, (1, 0), -1), (0.0, (1, 0), 1), (1.0, ("1", "5"), -1)),
        *((6.0, (1, 5), None), (-0.5, (0, 1), None), (1.0, (1, 1), None), (1.0, (1,), None), (1.0, ("a", "b"), None)),
        *((1.0, (0, "Infinity"), None), (None, (0, 1), None)),
    ],
)
def test_a_score_on_a_scale_that_is_said_counts_on_it_whichever_end_is_good(score, scale, expected):
    said = {} if score is None else {"score_value": score}
    assert given(name="x", scale=scale, **said).get("value") == pytest.approx(expected)


@pytest.mark.parametrize("scale", [(-1.7e308, 1.7e308), (0.0, 5e-324), (1.7e308, -1.7e308)])
def test_no_scale_is_too_long_or_too_short_to_be_counted_on(scale):
    worst, best = scale
    assert value_of(best, None, worst=worst, best=best) in (1.0, None)
    assert value_of(worst, None, worst=worst, best=best) in (-1.0, None)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        *(("pass", 1), ("Thumbs-Up", 1), (" not toxic ", 1), ("factual", 1)),
        *(("FAIL", -1), ("not relevant", -1), ("hallucinated", -1), ("toxic", -1)),
        *(("yes", None), ("true", None), ("positive", None), ("no", None), ("negative", None), ("odd", None)),
    ],
)
def test_a_label_decides_where_it_says_by_itself_what_is_good(label, expected):
    assert given(name="hallucination", score_label=label, score_value=0.9).get("value") == expected
    assert given(name="hallucination", score_label=label, score_value=0.75, scale=(1, 0)).get("value") == (
        -0.5 if expected is None else expected
    )


@pytest.mark.parametrize("name", USER)
def test_whoever_gave_it_is_named_as_the_user_and_nowhere_else(name):
    found = convert(span(1, CHAT, events=[event(f"{EVALUATION}.result", {name: "anna", "a": 1})]))
    ((_, feedback),) = [each for each in found.events if each[0] == "feedback"]
    assert (feedback["user_id"], feedback["attributes"]) == ("anna", {"a": 1})


def about(found):
    """What each feedback is about: a call by its id, and a trace."""
    return [(each.get("inference_id"), each.get("trace_id")) for kind, each in found.events if kind == "feedback"]


def test_an_evaluation_on_a_span_is_about_the_response_it_names_else_its_call_else_its_trace():
    def evaluated(number, said, **named):
        return span(number, said, events=[event(f"{EVALUATION}.result", named)])

    answered = {**CHAT, "gen_ai.response.id": "r-1"}
    own, other = {"gen_ai.response.id": "r-1"}, {"gen_ai.response.id": "r-2"}
    spans = [evaluated(1, answered), evaluated(2, answered, **own), evaluated(3, answered, **other)]
    spans += [evaluated(4, {"a": 1}), evaluated(5, {"a": 1}, **other)]
    assert about(convert(*spans)) == [
        *((f"{1:016x}", TRACE), (f"{2:016x}", TRACE), ("r-2", None)),
        *((None, TRACE), ("r-2", None)),
    ]


def test_a_logged_evaluation_is_about_the_response_it_names_else_its_span_and_trace():
    record = {"eventName": f"{EVALUATION}.result", "timeUnixNano": str(START)}
    named = {**record, "attributes": attributes({f"{EVALUATION}.name": "ok", "gen_ai.response.id": "r-1"})}
    place = {"traceId": TRACE.upper(), "spanId": f"{1:016x}"}
    found = logs(
        {**named, **place}, {**record, **place}, {**record, "traceId": TRACE}, {**record, "spanId": "0" * 16}, named
    )
    assert about(found) == [("r-1", None), (f"{1:016x}", TRACE), (None, TRACE), ("r-1", None)]
    assert found.events[0][1]["attributes"]["trace_id"] == TRACE, "where it was said is kept"
    ((position, reason, raw),) = found.rejected
    assert position == 3 and reason.startswith("gen_ai.response.id: missing") and b"evaluation.result" in raw
