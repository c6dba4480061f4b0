"""What users said and did, by signal: as it is, and reweighted by the chance of saying it, each with its interval.

One row per signal and slice, of the window that ends on a day. Who says something is a self-selected sample: see
`canonry.stats.reweighting` for what reweighting assumes. Signals are those of `canonry.feedback`.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from canonry import lake
from canonry.feedback import SIGNALS, Signal
from canonry.stats.propensity import MOST_WITHOUT_OVERLAP, Refused, Response, bands, fit_response
from canonry.stats.reweighting import Mean, raw_mean, reweighted_mean
from canonry.storage import Storage

DAY, MONTH = 1, 28
"""Days of the windows, the last day's own included."""
CONFIDENCE = 0.95

CATEGORIES = ("response_model", "feature", "finish_reason", "environment", "arm", "prompt_version")
"""Facts of a call that say how likely it is to be answered, beside its latency, its length and when it was made."""

COLUMNS = (
    *("day", "inference_id", "team", "product", *CATEGORIES, "started_at", "latency_ms", "output_tokens"),
    *("user_hash", "session_id", "trace_id", "signals", "simulated_feedback"),
)
"""Of `int_inference_outcomes`: what is read of each answer."""

_PRODUCT, _MODEL = "team,product", "team,product,response_model"


@dataclass(frozen=True)
class Window:
    """The answers of a window, as arrays (answers,)."""

    answers: pa.Table
    covariates: Mapping[str, np.ndarray]
    person: np.ndarray
    product: np.ndarray
    """Position of each answer's team and product in `products`."""
    model: np.ndarray
    products: Sequence[tuple[str | None, ...]]
    models: Sequence[str | None]
    figures: Mapping[str, np.ndarray]
    """Of each signal that is there, the figure of each answer; NaN where it is unknown."""
    simulated: np.ndarray


def write_feedback(
    lake_zone: Storage, day: dt.date, answers: pa.Table, retried: pa.Table, inputs: Mapping[str, str]
) -> tuple[list[dict[str, Any]], bool]:
    """Write `lake/feedback_rates` of a day; its rows, and whether they are others than before.

    `answers` has COLUMNS, `retried` is of `lake/retries`, both of the MONTH that ends on the day; `inputs` are their
    digests.
    """
    rows = [
        row for length in (DAY, MONTH) for row in feedback_rates(_within(answers, day, length), retried, day, length)
    ]
    table = pa.Table.from_pylist(rows, lake.SCHEMAS["feedback_rates"])
    return rows, lake.write(lake_zone, "feedback_rates", day, table, {"inputs": dict(inputs)})


def undefined_signals(answers: pa.Table) -> dict[str, int]:
    """Answers by signal that nobody has defined: kept, and not estimated from."""
    named = [name for said in answers["signals"].drop_null().to_pylist() for name in json.loads(said)]
    return dict(Counter(name for name in named if name not in SIGNALS))


def feedback_rates(answers: pa.Table, retried: pa.Table, day: dt.date, length: int) -> list[dict[str, Any]]:
    """Rows of `lake/feedback_rates` for the answers of a window; a pure function."""
    if not answers.num_rows:
        return []
    window = read_window(answers, retried)
    common = {"window_days": length, "window_start": day - dt.timedelta(days=length - 1), "window_end": day}
    return [
        {"signal": name, **common, "confidence": CONFIDENCE, **row}
        for name in window.figures
        for row in _of_signal(window, SIGNALS[name])
    ]


def read_window(answers: pa.Table, retried: pa.Table) -> Window:
    """The answers as arrays."""
    answers = answers.sort_by([("day", "ascending"), ("inference_id", "ascending")])
    products = _pairs(answers)
    codes, product = np.unique(products, return_inverse=True)
    models, model = np.unique(_texts(answers["response_model"]), return_inverse=True)
    return Window(
        answers,
        _covariates(answers),
        np.unique(_people(answers), return_inverse=True)[1],
        product,
        model,
        [tuple(json.loads(code)) for code in codes],
        [str(name) or None for name in models],
        _figures(answers, retried, product),
        pc.greater(pc.fill_null(answers["simulated_feedback"], 0), 0).to_numpy(),
    )


def _of_signal(window: Window, signal: Signal) -> Iterator[dict[str, Any]]:
    figure = window.figures[signal.name]
    known = ~np.isnan(figure)
    fits: dict[int, Response | Refused] = {}
    for product in np.unique(window.product[known]):
        inside = window.product == product
        fits[product] = _fit({name: each[inside] for name, each in window.covariates.items()}, known[inside])
    of_signal = np.isin(window.product, list(fits))
    yield {"slice": "all", **_row(window, signal, of_signal, fits)}
    for product in fits:
        team, name = window.products[product]
        values = {"team": team, "product": name}
        inside = window.product == product
        yield {"slice": _PRODUCT, **values, **_row(window, signal, inside, {product: fits[product]})}
        for model in np.unique(window.model[inside]):
            of_model = {**values, "response_model": window.models[model]}
            member = inside & (window.model == model)
            yield {"slice": _MODEL, **of_model, **_row(window, signal, member, {product: fits[product]})}


def _row(window: Window, signal: Signal, member: np.ndarray, fits: Mapping[int, Response | Refused]) -> dict[str, Any]:
    figure = window.figures[signal.name]
    known = member & ~np.isnan(figure)
    answers, heard = int(member.sum()), int(known.sum())
    row: dict[str, Any] = {
        "estimand": _estimand(signal, answers),
        "answers": answers,
        "known": heard,
        "response_rate": heard / answers,
        "raw_value": float(figure[known].mean()) if heard else None,
        "people": len(np.unique(window.person[known])),
        "simulated": bool(window.simulated[known].any()),
    }
    try:
        raw = raw_mean(figure[known], _numbered(window.person[known]), confidence=CONFIDENCE)
        row |= {"raw_low": raw.low, "raw_high": raw.high}
    except Refused as reason:
        row["raw_refused"] = str(reason)
    try:
        mean, used = _reweighted(window, figure, member, fits)
    except Refused as reason:
        return row | {"refused": str(reason)}
    chance = np.concatenate([each.chance[member[window.product == product]] for product, each in used.items()])
    row |= {"value": mean.value, "interval_low": mean.low, "interval_high": mean.high}
    row |= {"effective": mean.effective, "smallest_chance": float(chance.min())}
    return row | {"method": _method(window, list(used.values()))}


def _reweighted(
    window: Window, figure: np.ndarray, member: np.ndarray, fits: Mapping[int, Response | Refused]
) -> tuple[Mean, dict[int, Response]]:
    used = {product: each for product, each in fits.items() if isinstance(each, Response)}
    for product, each in fits.items():
        share = (window.product[member] == product).mean()
        if isinstance(each, Refused) and (not used or share > MOST_WITHOUT_OVERLAP):
            raise Refused(f"{window.products[product][1]}: {each}" if len(fits) > 1 else str(each))
    inside = [window.product == product for product in used]
    person = _numbered(window.person)
    parts = [(each, figure[place], member[place]) for each, place in zip(used.values(), inside, strict=True)]
    return reweighted_mean(parts, [person[place] for place in inside], confidence=CONFIDENCE), used


def _fit(covariates: Mapping[str, np.ndarray], known: np.ndarray) -> Response | Refused:
    try:
        return fit_response(covariates, known)
    except Refused as reason:
        return reason


def _estimand(signal: Signal, answers: int) -> str:
    return f"{signal.figure}, had all {answers:,} answers one" if signal.silence == "unknown" else signal.figure


def _method(window: Window, fits: Sequence[Response]) -> str:
    if all(not each.information.size for each in fits):
        return "known of every answer: nothing to reweight; Wilson's interval, clustered by user"
    by = list(dict.fromkeys(name for each in fits for name in each.used))
    left_out = list(dict.fromkeys(name for each in fits for name in each.left_out))
    said = [f"Hajek weights 1 / chance, by logistic regression on {', '.join(by) or 'a constant'}"]
    said[0] += " in each product" if len(fits) > 1 else ""
    if left_out:
        said.append(f"too few responses for {', '.join(left_out)}")
    if any(each.trimmed.any() for each in fits):
        said.append(f"{np.mean(np.concatenate([each.trimmed for each in fits])):.1%} of the answers trimmed")
    said.append("Wilson's interval, clustered by user, the estimated chance allowed for")
    return "; ".join(said)


def _covariates(answers: pa.Table) -> dict[str, np.ndarray]:
    found = {name: np.unique(_texts(answers[name]), return_inverse=True)[1] for name in CATEGORIES}
    hour = pc.hour(answers["started_at"]).to_numpy() // 6
    weekend = pc.day_of_week(answers["started_at"]).to_numpy() >= 5
    numbers = {name: _bands(answers[name]) for name in ("latency_ms", "output_tokens")}
    first = {name: found.pop(name) for name in ("response_model", "feature")}
    return {**first, **numbers, "hour": hour, "weekend": weekend.astype(np.intp), **found}


def _bands(column: pa.ChunkedArray) -> np.ndarray:
    return bands(column.cast(pa.float64()).to_numpy(zero_copy_only=False))


def _figures(answers: pa.Table, retried: pa.Table, product: np.ndarray) -> dict[str, np.ndarray]:
    """Figures by signal, in the order in which signals are shown; of products that sent the signal, or log who asks."""
    given: dict[str, dict[int, float]] = {}
    said = answers["signals"].combine_chunks()
    for place in np.flatnonzero(said.is_valid().to_numpy(zero_copy_only=False)):
        for name, value in json.loads(said[place].as_py()).items():
            signal = SIGNALS.get(name)
            value = signal.implied if signal and value is None else value
            if signal and (value is not None or signal.silence == "no"):
                given.setdefault(name, {})[int(place)] = signal.figure_of(value or 0.0)
    again = _asked_again(answers, retried)
    found = {}
    for name, signal in SIGNALS.items():
        figure = again.copy() if name == "retry" else np.full(len(product), np.nan)
        places = np.fromiter(given.get(name, {}), dtype=np.intp)
        if signal.silence == "no" and name != "retry":
            figure[np.isin(product, product[places])] = 0.0
        figure[places] = list(given.get(name, {}).values())
        if not np.isnan(figure).all():
            found[name] = figure
    return found


def _asked_again(answers: pa.Table, retried: pa.Table) -> np.ndarray:
    """Of each answer 1 where it was asked again, 0 where not, NaN where that cannot be known."""
    place = pc.index_in(answers["inference_id"], retried["inference_id"].combine_chunks())
    found = retried["asked_again_by"].is_valid().cast(pa.float64()).take(place)
    return found.to_numpy(zero_copy_only=False).astype(float) if retried.num_rows else np.full(len(answers), np.nan)


def _people(answers: pa.Table) -> np.ndarray:
    """Whose each answer is: the user, else the session, else the trace, else the call alone."""
    names = ("user_hash", "session_id", "trace_id", "inference_id")
    marked = [pc.binary_join_element_wise(name, answers[name].cast(pa.string()), " ") for name in names]
    return _texts(pc.coalesce(*marked))


def _pairs(answers: pa.Table) -> np.ndarray:
    pairs = zip(answers["team"].to_pylist(), answers["product"].to_pylist(), strict=True)
    return np.array([json.dumps(pair) for pair in pairs], dtype=object)


def _texts(column: pa.ChunkedArray) -> np.ndarray:
    return np.array(pc.fill_null(column.cast(pa.string()), "").to_pylist(), dtype=object)


def _numbered(person: np.ndarray) -> np.ndarray:
    return np.unique(person, return_inverse=True)[1]


def _within(answers: pa.Table, day: dt.date, length: int) -> pa.Table:
    first = day - dt.timedelta(days=length - 1)
    return answers.filter(pc.and_(pc.greater_equal(answers["day"], first), pc.less_equal(answers["day"], day)))
