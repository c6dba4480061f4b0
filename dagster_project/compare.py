"""Compare: what waits for its promotion beside what is released, on the same items; promotions read the verdict.

The check shows the verdict and blocks nothing by itself: publishing asks the same verdict, so that nobody gets past it
by running a promotion alone, and one candidate that is held back holds up no other.
"""

from typing import Any

import dagster as dg
import pyarrow as pa

from canonry.catalog import Catalog, ComparisonSpec
from canonry.comparisons import Comparison, read_all, standing
from canonry.publish import uncompared
from canonry.publish.waiting import waiting_sides
from canonry.regressions import NothingToCompare, compare
from canonry.stats.verdicts import Verdict
from dagster_project.evidence import governed, owners, preview
from dagster_project.resources import RETRIES, Platform
from dagster_project.runs import Requests, Tick, once

GROUP = "compare"
BY_THEMSELVES = ("prompts", "models")
"""Indexes and scorers are compared where they are built: each waits for nothing but its own step."""


def build(catalog: Catalog) -> dg.Definitions:
    """An asset and a check for every comparison of prompts and models."""
    specs = {name: spec for name, spec in catalog.comparisons.items() if spec.candidate.kind in BY_THEMSELVES}
    return dg.Definitions(
        assets=[_comparison(name, spec) for name, spec in specs.items()],
        asset_checks=[_check(name, spec) for name, spec in specs.items()],
    )


def compare_candidates(**when: Any) -> dg.ScheduleDefinition:
    """The schedule that compares and promotes; it asks for nothing where nothing waits uncompared."""

    @dg.schedule(**when, description="Every day, where a prompt or model waits and was not compared yet.")
    def schedule(context: Tick, platform: Platform) -> Requests:
        waiting = uncompared(platform.zones, platform.catalog, platform.today())
        return once(context, "compare_candidates", ", ".join(waiting)) if waiting else dg.SkipReason("Nothing waits")

    return schedule


def evidence(found: Comparison) -> dict[str, dg.MetadataValue | str | int]:
    """What a comparison shows of itself."""
    flips = pa.table(
        {
            "item": [flip.item for flip in found.flips],
            "before": [flip.before for flip in found.flips],
            "after": [flip.after for flip in found.flips],
            "judged_by": [flip.judged_by for flip in found.flips],
        }
    )
    return {
        "verdict": found.verdict.word,
        "why": found.verdict.message,
        "candidate": found.candidate,
        "released": found.released,
        "items": found.items,
        "asked": found.asked,
        "made_from": dg.MetadataValue.json(dict(found.made_from)),
        "flips": preview(flips) if flips.num_rows else "none",
    }


def _comparison(name: str, spec: ComparisonSpec) -> dg.AssetsDefinition:
    assert spec.gold is not None
    kind = spec.candidate.kind
    before = [["models", spec.candidate.name]] if kind == "models" else []
    judges = [["published", "scorers", spec.outcome.scorer]] if spec.outcome and spec.outcome.scorer else []

    @dg.asset(
        key=["comparisons", name],
        deps=[["published", "gold", spec.gold.scheme], *before, *judges],
        description=f"{spec.description} {kind}/{spec.candidate.name}: the version that waits beside the one that is "
        "released, on the same gold items. One entry of the journal a comparison.",
        group_name=GROUP,
        owners=owners(spec.owner),
        metadata=governed("evals", name),
        retry_policy=RETRIES,
        kinds={"json"},
    )
    def comparison(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        def tell(calls: int) -> None:
            if calls % 100 == 0:
                context.log.info("%s: %d calls made", name, calls)

        try:
            found = compare(platform.zones, platform.catalog, name, now=platform.published_at(), tell=tell)
        except NothingToCompare as error:
            context.log.info("Nothing is compared: %s", error)
            return dg.MaterializeResult(metadata={"compared": False, "why": str(error)})
        return dg.MaterializeResult(metadata={"compared": True, **evidence(found)})

    return comparison


def _check(name: str, spec: ComparisonSpec) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=["comparisons", name],
        name="promotion",
        description=f"{spec.candidate.kind}/{spec.candidate.name} may be promoted: it surely loses no more than "
        f"{spec.margin:g} of {spec.metric}. Publishing asks the same.",
        metadata=governed("evals", name),
    )
    def promotion(platform: Platform) -> dg.AssetCheckResult:
        verdict = _standing(platform, name)
        if verdict is None:
            made = read_all(platform.zones.journal, name)
            last = f"; the last verdict was: {made[-1].verdict.message}" if made else ""
            return dg.AssetCheckResult(passed=True, description=f"Nothing waits for its promotion{last}")
        return dg.AssetCheckResult(
            passed=verdict.passed,
            description=verdict.message,
            metadata={"verdict": verdict.word, "numbers": dg.MetadataValue.json(verdict.to_metadata())},
        )

    return promotion


def _standing(platform: Platform, name: str) -> Verdict | None:
    """What this comparison says of the version that waits; None where none does."""
    spec, zones = platform.catalog.comparisons[name], platform.zones
    sides = waiting_sides(zones, platform.catalog, spec.candidate.kind, spec.candidate.name, platform.today())
    if sides is None or not sides.waits:
        return None
    named = spec.candidate.kind, spec.candidate.name
    return standing(zones.journal, {name: spec}, *named, sides.candidate, sides.released)
