"""Scorers: trained from the gold set behind a gate, and the scores they give each day's answers."""

from functools import partial

import dagster as dg

from canonry import lake
from canonry.catalog import Catalog, ScorerSpec
from canonry.encode import exported, files_of, load_onnx
from canonry.evaluate.scorers import CARD_TEXT, KIND, train_candidate
from canonry.evaluate.scoring import score_day
from canonry.publish import release_and_promote
from canonry.regressions import compare_all, standing_now
from canonry.release import PRODUCTION, NotReleased, Release, resolve
from canonry.score import Encode, TooFewLabels
from canonry.stats.verdicts import gravest
from dagster_project.evidence import governed, owners, preview
from dagster_project.resources import DAILY, RANGE, Platform, days_of

GROUP = "evaluate"
CANDIDATE = "candidate"


def build(catalog: Catalog) -> dg.Definitions:
    """An asset for each scorer, and one for all scores of a day."""
    trained = [_build_scorer(name, spec) for name, spec in catalog.scorers.items()]

    @dg.asset(
        key=["lake", "scores"],
        deps=[["lake", "inferences"], ["lake", "contents"], ["lake", "steps"], *(each.key for each in trained)],
        partitions_def=DAILY,
        backfill_policy=RANGE,
        description="Automatic scores of answers by the released scorers, joined into outcomes; another version adds "
        "its own and overwrites none. One row per inference, metric, scorer and version.",
        group_name=GROUP,
        owners=["team:ai_quality"],
        kinds={"parquet"},
    )
    def scores(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        platform.recomputes(context)
        counts = {"scored": 0, "known": 0, "without_passages": 0}
        days = days_of(context)
        for name, spec in platform.catalog.scorers.items():
            released = _released(platform, name, PRODUCTION)
            if released is None:
                context.log.info("%s: no version is released yet; nothing is scored", name)
                continue
            encode = _encode(platform, released)
            for day in days:
                done = score_day(platform.zones.lake, name, spec, released, encode, day, platform.now())
                for each in counts:
                    counts[each] += getattr(done, each)
        shown = lake.read(platform.zones.lake, "scores", days[-1:])
        columns = ["inference_id", "scorer", "scorer_version", "metric", "value"]
        return dg.MaterializeResult(metadata={**counts, "preview": preview(shown, columns)})

    return dg.Definitions(assets=[*trained, scores])


def _build_scorer(name: str, spec: ScorerSpec) -> dg.AssetsDefinition:
    @dg.asset(
        key=["published", KIND, name],
        deps=[["published", "gold", spec.scheme]],
        description=f"{spec.description} Trained from the promoted gold set, with its model card; promoted where it is "
        "surely no worse on the test split than what is released.",
        group_name=GROUP,
        owners=owners(spec.owner),
        metadata=governed("scorers", name),
        kinds={"scikitlearn"},
    )
    def scorer(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        spec = platform.catalog.scorers[name]
        try:
            gold = resolve(platform.zones.published, "gold", spec.scheme)
        except NotReleased as error:
            context.log.info("No gold set is promoted yet; nothing is trained: %s", error)
            return dg.MaterializeResult(metadata={"trained": False})
        released = _released(platform, name, PRODUCTION)
        try:
            before = _encode(platform, released) if released else None
            made = train_candidate(spec, gold, _encoder(platform, spec.encoder), released, before)
        except TooFewLabels as error:
            context.log.info("Nothing is trained: %s", error)
            return dg.MaterializeResult(metadata={"trained": False, "why": str(error)})
        promote = partial(
            release_and_promote,
            platform.zones,
            KIND,
            name,
            made.files,
            metadata=made.metadata,
            lineage=made.lineage,
            reason=made.verdict.message,
            now=platform.published_at(),
        )
        outcome = promote(channel=CANDIDATE)
        compare_all(platform.zones, platform.catalog, KIND, name, now=platform.published_at())
        compared = standing_now(platform.zones, platform.catalog, KIND, name, outcome.release.version)
        verdict = gravest([made.verdict, *([compared] if compared else [])])
        if verdict.passed:
            outcome = promote()
        return dg.MaterializeResult(
            metadata={
                "trained": True,
                "version": outcome.release.version,
                "promoted": verdict.passed,
                "verdict": verdict.word,
                "why": verdict.message,
                "card": dg.MetadataValue.md(made.files[CARD_TEXT].decode()),
            }
        )

    return scorer


def _released(platform: Platform, name: str, channel: str) -> Release | None:
    try:
        return resolve(platform.zones.published, KIND, name, channel)
    except NotReleased:
        return None


def _encode(platform: Platform, release: Release) -> Encode | None:
    return _encoder(platform, release.manifest.metadata["encoder"])


def _encoder(platform: Platform, name: str | None) -> Encode | None:
    if name is None:
        return None
    files = files_of(name, platform.catalog.models[name])
    return load_onnx(files, exported(files), files.tokenizer_file).encode
