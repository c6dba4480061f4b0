"""Why a stream changed, by what is recorded of the calls before and since: what was swapped, or where it got otherwise.

A difference of means splits exactly, for any field, into what comes of another mix of its values and what comes of
calls of the same value being otherwise (Kitagawa 1955). A field whose mix explains the change names its cause. Where
none does, the calls themselves are otherwise: then it is told whether all who use a model are affected, or one product.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from canonry.alerts import Cause

SWAPPED = ("prompt_version", "index_version", "provider", "request_model", "feature", "product")
"""Fields that we set ourselves, the most particular first: of those that explain a change alike, the first is named."""

ANSWERED = ("response_model", "system_fingerprint")
"""Fields that the provider sets: another mix under the same request is an update that nobody announced."""

EXPLAINED = 0.5
"""Least share of a change that its cause explains."""

_HARDLY = 0.25
_LEAST = 0.25
_SURELY = 2.0
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
    known = [field for field in fields if field in old and field in new]
    explained = {field: _mix(old, new, value, field) / total for field in known}
    # Of few calls the whole change is not known well: what may be half of it counts as half.
    doubt = float(np.sqrt(_variance(old[value]) + _variance(new[value]))) / abs(total)
    enough = {field: share for field, share in explained.items() if share >= max(EXPLAINED - doubt, _LEAST)}
    if not enough:
        return None
    most = max(enough.values())
    # Fields that changed together explain alike: the first of them says most.
    return next((field, share) for field, share in enough.items() if share >= 0.9 * most)


def _mix(old: pd.DataFrame, new: pd.DataFrame, value: str, field: str) -> float:
    """What another mix of a field's values adds to the mean. Of a value that one side lacks, the other side's mean."""
    a, b = _by(old, value, field), _by(new, value, field)
    both = a.join(b, how="outer", lsuffix="_old", rsuffix="_new")
    mean = both[["mean_old", "mean_new"]].mean(axis=1)
    return float(((both["share_new"].fillna(0) - both["share_old"].fillna(0)) * mean).sum())


def _by(calls: pd.DataFrame, value: str, field: str) -> pd.DataFrame:
    groups = calls.groupby(calls[field].fillna(_NONE).astype(str))[value]
    return pd.DataFrame({"mean": groups.mean(), "share": groups.size() / len(calls)})


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
    """Whether one product alone is otherwise, or all that ask one model."""
    product = _alone(old, new, value, "product", total)
    if product:
        name, share = product
        said = f"product {name} alone is otherwise, and no prompt, index or model in its logs was changed"
        return Cause("product", "product", share, said)
    model = _alone(old, new, value, "request_model", total) or _only(new, "request_model")
    if model and "product" in new:
        name, share = model
        said = f"silent provider update: whoever asks {name} is served otherwise, and nothing of ours was changed"
        if new["product"].nunique() == 1:
            said = f"{name} or the one product that asks it: another product that asks it would tell them apart"
        return Cause("provider", "request_model", share, said)
    return Cause("unknown", None, 0.0, "no field that is recorded explains it, and no product or model stands out")


def _alone(old: pd.DataFrame, new: pd.DataFrame, value: str, field: str, total: float) -> tuple[str, float] | None:
    """The value of a field that changed while the others hardly did, and its share of the whole change."""
    if field not in old or field not in new:
        return None
    both = _by(old, value, field).join(_by(new, value, field), how="inner", lsuffix="_old", rsuffix="_new")
    if len(both) < 2:
        return None
    change = (both["mean_new"] - both["mean_old"]).to_numpy()
    calls = both["share_new"].to_numpy()
    most = int(np.argmax(calls * change / total))
    others = np.arange(len(both)) != most
    rest = float(np.average(change[others], weights=calls[others]))
    names = both.index[others]
    inside = [side[field].fillna(_NONE).astype(str) for side in (old, new)]
    own = sum(_variance(side[value][at == both.index[most]]) for side, at in zip((old, new), inside, strict=True))
    theirs = sum(_variance(side[value][at.isin(names)]) for side, at in zip((old, new), inside, strict=True))
    hardly = abs(rest) - np.sqrt(theirs) <= _HARDLY * abs(change[most])
    apart = abs(change[most] - rest) > _SURELY * np.sqrt(own + theirs)
    if not (hardly and apart):
        return None
    return str(both.index[most]), float(calls[most] * change[most] / total)


def _variance(values: pd.Series) -> float:
    """Of a mean of calls; that of one call cannot be told and counts as nothing."""
    return float(values.var(ddof=1) / len(values)) if len(values) > 1 else 0.0


def _only(calls: pd.DataFrame, field: str) -> tuple[str, float] | None:
    names = list(calls[field].dropna().unique()) if field in calls else []
    return (str(names[0]), 1.0) if len(names) == 1 else None
