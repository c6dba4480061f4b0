"""Why a stream changed, by what is recorded of the calls before and since: what was swapped, or where it got otherwise.

A difference of means splits exactly, for any field, into what comes of another mix of its values and what comes of
calls of the same value being otherwise (Kitagawa 1955). A field whose mix explains the change names its cause. Where
none does, the calls themselves are otherwise: then it is told whether all who use a model are affected, or one product.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from canonry.alerts import Cause

SWAPPED = ("prompt_version", "index_version", "provider", "request_model", "feature", "product")
"""Fields that we set ourselves, the most particular first: of those that explain a change alike, the first is named."""

ANSWERED = ("response_model", "system_fingerprint")
"""Fields that the provider sets: another mix under the same request is an update that nobody announced."""

EXPLAINED = 0.5
"""Least share of a change that its cause explains."""

_LEAST = 0.25
"""Least share that is counted as half where few calls came."""
_HARDLY = 0.05
"""Share of a side's calls below which their own mean is not compared with the other side's."""
_CHANCE = 0.001
"""A mix that differs so rarely by chance is another one."""
_TELLING = 4.0
"""So many times likelier the better of two explanations must be to be told from the other."""
_NONE = "none"


def explain_change(before: pd.DataFrame, since: pd.DataFrame, value: str) -> Cause:
    """The likeliest cause of another mean of the column `value` in calls `since` a change than `before` it.

    One row a call, with columns of the fields above as far as they are known; for `value` "cost", also "tokens". A
    quantile is explained through the share of calls above it. Raises ValueError where either side has no call.
    """
    old, new = before[before[value].notna()], since[since[value].notna()]
    if old.empty or new.empty:
        raise ValueError(f"{value}: no call with a value {'before' if old.empty else 'since'} the change")
    total = float(new[value].mean() - old[value].mean())
    if total == 0:
        return Cause("unknown", None, 0.0, f"{value} is the same on both sides")
    if best := _best_mix(old, new, value, (*SWAPPED, *ANSWERED), total):
        field, explained = best
        if field in SWAPPED:
            return Cause("swap", field, explained, f"{field}: {_swap(old, new, field)}")
        return Cause("provider", field, explained, f"silent provider update: {field} {_swap(old, new, field)}")
    if value == "cost" and "tokens" in old and (priced := _price_or_usage(old, new)):
        return priced
    return _confined(old, new, value, total)


def _best_mix(
    old: pd.DataFrame, new: pd.DataFrame, value: str, fields: tuple[str, ...], total: float
) -> tuple[str, float] | None:
    """The field whose other mix explains most of a change, and the share that it explains."""
    enough = {}
    for field in fields:
        if field not in old or field not in new or not _another_mix(old, new, field):
            continue
        mix, within, doubt = (each / total for each in _mix(old, new, value, field))
        # What calls of the same value surely changed is no mix, and of few calls what may be half counts as half.
        if within - 2 * abs(doubt) <= 1 - EXPLAINED and mix >= max(EXPLAINED - abs(doubt), _LEAST):
            enough[field] = mix
    if not enough:
        return None
    most = max(enough.values())
    # Fields that changed together explain alike: the first of them says most.
    return next((field, share) for field, share in enough.items() if share >= 0.9 * most)


def _another_mix(old: pd.DataFrame, new: pd.DataFrame, field: str) -> bool:
    """Whether the values' shares differ by more than chance (Pearson's chi-squared test)."""
    from scipy.stats import chi2_contingency

    counts = [side[field].fillna(_NONE).astype(str).value_counts() for side in (old, new)]
    table = pd.concat(counts, axis=1).fillna(0).to_numpy()
    return len(table) > 1 and float(chi2_contingency(table, correction=False).pvalue) < _CHANCE


def _mix(old: pd.DataFrame, new: pd.DataFrame, value: str, field: str) -> tuple[float, float, float]:
    """What another mix of a field's values adds to the mean, how far calls of the same value changed, and the standard
    error of that, or of the whole where no value is on both sides.

    A value's own mean is that of all its calls. What hardly a call of a side has is not compared between the two: when
    a change began is put where it fits such calls best, so they show too large a change, or none.
    """
    both = _by(old, value, field).join(_by(new, value, field), how="outer", lsuffix="_old", rsuffix="_new")
    share = both[["share_old", "share_new"]].fillna(0).to_numpy()
    mean = both[["mean_old", "mean_new"]].fillna(0).to_numpy()
    calls = share * [len(old), len(new)]
    mix = float((share[:, 1] - share[:, 0]) @ ((calls * mean).sum(axis=1) / calls.sum(axis=1)))
    change, variance = mean[:, 1] - mean[:, 0], both[["variance_old", "variance_new"]].sum(axis=1, skipna=False)
    known = (variance > 0).to_numpy() & (share.min(axis=1) >= _HARDLY)
    whole = float(np.sqrt(_variance(old[value]) + _variance(new[value])))
    if not known.any():
        return mix, 0.0, whole
    weights = 1 / variance[known].to_numpy()
    return mix, float(np.average(change[known], weights=weights)), max(float(weights.sum() ** -0.5), whole)


def _by(calls: pd.DataFrame, value: str, *fields: str) -> pd.DataFrame:
    """Mean, its variance and share of the calls, by the values of fields."""
    keys = [calls[field].fillna(_NONE).astype(str) for field in fields]
    groups = calls.groupby(keys if len(keys) > 1 else keys[0])[value]
    share = groups.size() / len(calls)
    return pd.DataFrame({"mean": groups.mean(), "variance": groups.var() / groups.size(), "share": share})


def _swap(old: pd.DataFrame, new: pd.DataFrame, field: str) -> str:
    shares = [calls[field].fillna(_NONE).astype(str).value_counts(normalize=True) for calls in (old, new)]
    change = shares[1].sub(shares[0], fill_value=0)
    lost, gained = str(change.idxmin()), str(change.idxmax())
    return (
        f"from {lost} ({_share(shares[0], lost)} of the calls before, {_share(shares[1], lost)} since) "
        f"to {gained} ({_share(shares[0], gained)} before, {_share(shares[1], gained)} since)"
    )


def _share(shares: pd.Series, value: str) -> str:
    return f"{float(shares.get(value, 0.0)):.0%}"


def _price_or_usage(old: pd.DataFrame, new: pd.DataFrame) -> Cause | None:
    """Cost a call is tokens a call times cost a token: whose ratio makes most of the cost's."""
    with np.errstate(divide="ignore", invalid="ignore"):
        usage = np.log(new["tokens"].mean() / old["tokens"].mean())
        whole = np.log(new["cost"].mean() / old["cost"].mean())
        price = whole - usage
    if not np.isfinite([usage, whole]).all() or whole == 0:
        return None
    if price / whole >= EXPLAINED:
        said = f"a token costs {np.exp(price):.3g} times what it did"
        return Cause("price", None, float(price / whole), said)
    said = f"a call has {np.exp(usage):.3g} times the tokens it had"
    return Cause("usage", None, float(usage / whole), said)


def _confined(old: pd.DataFrame, new: pd.DataFrame, value: str, total: float) -> Cause:
    """Who is otherwise: all alike, those that ask one model, or one product; as the calls of each make it likeliest.

    Each explanation lets those whom it names change by one amount and others not at all, so that all have one figure to
    fit, and the least sum of squared errors, in variances, is the likeliest.
    """
    fields = [field for field in ("product", "request_model") if field in old and field in new]
    if "request_model" not in fields:
        return Cause("unknown", None, 0.0, "no field that is recorded explains it, and no model is recorded")
    cells = _by(old, value, *fields).join(_by(new, value, *fields), how="inner", lsuffix="_old", rsuffix="_new")
    if cells.empty:
        return Cause("unknown", None, 0.0, "no product and model is on both sides")
    change = (cells["mean_new"] - cells["mean_old"]).to_numpy()
    usual = max(_variance(old[value]) * len(old), _variance(new[value]) * len(new), (1e-6 * total) ** 2)
    sizes = [(cells[f"share_{side}"] * len(calls)).to_numpy() for side, calls in (("old", old), ("new", new))]
    variance = np.sum(
        [
            cells[f"variance_{side}"].where(cells[f"variance_{side}"] > 0, usual / size).to_numpy()
            for side, size in zip(("old", "new"), sizes, strict=True)
        ],
        axis=0,
    )
    places = cells.index.to_frame(index=False).set_axis(fields, axis=1)
    named = _explanations(places)
    parts = cells["share_new"].to_numpy() * change / total
    errors = {
        who: _misfit(change, variance, np.array(who))
        for who in named
        if all(who) or parts[np.array(who)].sum() >= EXPLAINED
    }
    likeliest, *others = sorted(errors, key=lambda who: errors[who])
    cause = _who(named[likeliest], float(parts[np.array(likeliest)].sum()), places)
    if others and errors[others[0]] - errors[likeliest] < 2 * np.log(_TELLING):
        return replace(cause, said=f"{cause.said} (likeliest; more calls will tell)")
    return cause


def _explanations(cells: pd.DataFrame) -> dict[tuple[bool, ...], dict[str, str]]:
    """Cells (product and model) that each explanation names, and by which fields' values; by none where it is all."""
    found: dict[tuple[bool, ...], dict[str, str]] = {(True,) * len(cells): {}}
    for field in cells:
        for name in cells[field].unique():
            found.setdefault(tuple(cells[field] == name), {})[str(field)] = str(name)
    return found


def _misfit(change: np.ndarray, variance: np.ndarray, inside: np.ndarray) -> float:
    common = np.average(change[inside], weights=1 / variance[inside])
    return float((((change - np.where(inside, common, 0.0)) ** 2) / variance).sum())


def _who(named: dict[str, str], share: float, cells: pd.DataFrame) -> Cause:
    """An explanation in words."""
    product, model = named.get("product"), named.get("request_model")
    if model and (product or "product" not in cells):
        said = f"{model} or the one product that asks it: another product that asks it would tell them apart"
        return Cause("provider", "request_model", share, said)
    if product:
        said = f"product {product} alone is otherwise, and no prompt, index or model in its logs was changed"
        return Cause("product", "product", share, said)
    if model:
        said = f"silent provider update: whoever asks {model} is served otherwise, and nothing of ours was changed"
        return Cause("provider", "request_model", share, said)
    return Cause("unknown", None, 0.0, "all products and models are otherwise alike, and nothing of ours was changed")


def _variance(values: pd.Series) -> float:
    """Of a mean of calls; that of one call cannot be told and counts as nothing."""
    return float(values.var(ddof=1) / len(values)) if len(values) > 1 else 0.0
