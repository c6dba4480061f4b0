"""Scorers: trained from the gold set behind a gate or defined by their YAML, and the scores they give each day's
answers."""

import datetime as dt
from collections import Counter
from collections.abc import Collection
from functools import partial

import dagster as dg

from canonry import lake
from canonry.catalog import Catalog, GroundednessSpec, ScorerSpec
from canonry.collect import news
from canonry.completions import NotConfigured
from canonry.evaluate.definitions import definition_files, is_defined
from canonry.evaluate.ready import Prepared, encoder_of, prepare_scorer
from canonry.evaluate.scorers import CANDIDATE, CARD_TEXT, KIND, train_candidate
from canonry.evaluate.scoring import score_day
from canonry.publish import release_and_promote
from canonry.regressions import compare_all, standing_now
from canonry.release import PRODUCTION, NotReleased, Release, resolve
from canonry.score import TooFewLabels
from canonry.stats.verdicts import gravest
from dagster_project.evidence import counts as counted
from dagster_project.evidence import governed, owners, preview
from dagster_project.resources import DAILY, RANGE, Platform, days_of
from dagster_project.runs import days_of_run

GROUP = "evaluate"
POOL = "scores"
"""Pool of what writes lake/scores: a day's file holds the rows of all scorers."""


class Chosen(dg.Config):
    """Of a backfill: one scorer, in a version that need not be in production. Without it, every scorer as released."""

    scorer: str = ""
    version: str = ""


def build(catalog: Catalog) -> dg.Definitions:
    """An asset for each scorer, and one for all scores of a day."""
    scorers = [_build_scorer(name, spec) for name, spec in catalog.scorers.items()]

    @dg.asset(
        key=["lake", "scores"],
        deps=[*(["lake", each] for each in ("inferences", "contents", "steps", "feedback")), *(s.key for s in scorers)],
        partitions_def=DAILY,
        backfill_policy=RANGE,
        pool=POOL,
        description="Automatic scores of answers by the released scorers, joined into outcomes; another version adds "
        "its own and overwrites none. One row per inference, metric, scorer and version.",
        group_name=GROUP,
        owners=["team:ai_quality"],
        kinds={"parquet"},
    )
    def scores(context: dg.AssetExecutionContext, platform: Platform, config: Chosen) -> dg.MaterializeResult:
        platform.recomputes(context)
        done: Counter[str] = Counter()
        days = days_of(context)
        names = [config.scorer] if config.scorer else list(platform.catalog.scorers)
        with platform.alone(POOL, context.log):
            for name in names:
                prepared = _prepared(context, platform, name, config.version or PRODUCTION)
                if prepared is not None:
                    _read_anchors(context, platform, name, prepared)
                    for day in days:
                        found = score_day(platform.zones.lake, prepared.ready, day)
                        done.update({f"{name}: {what}": count for what, count in vars(found).items()})
                    _say_what_was_asked(context, name, prepared, done)
        shown = lake.read(platform.zones.lake, "scores", days[-1:])
        columns = ["inference_id", "scorer", "scorer_version", "metric", "value"]
        scored = sum(count for what, count in done.items() if what.endswith(": scored"))
        return dg.MaterializeResult(
            metadata={"scored": scored, "calls": counted(done), "preview": preview(shown, columns)}
        )

    return dg.Definitions(assets=[*scorers, scores])


def _build_scorer(name: str, spec: ScorerSpec) -> dg.AssetsDefinition:
    return _build_trained(name, spec) if isinstance(spec, GroundednessSpec) else _build_defined(name, spec)


def _build_defined(name: str, spec: ScorerSpec) -> dg.AssetsDefinition:
    @dg.asset(
        key=["published", KIND, name],
        description=f"{spec.description} Of kind {spec.kind}: its definition, written out whole; what changes a figure "
        "makes another version.",
        group_name=GROUP,
        owners=owners(spec.owner),
        metadata=governed("scorers", name),
        kinds={"json"},
    )
    def scorer(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        spec = platform.catalog.scorers[name]
        outcome = release_and_promote(
            platform.zones,
            KIND,
            name,
            definition_files(name, spec, platform.catalog, platform.zones.home),
            metadata={"kind": spec.kind, "description": spec.description, "owner": spec.owner},
            lineage={"spec": platform.catalog.path("scorers", name).as_posix()},
            reason="its definition changed",
            now=platform.published_at(),
        )
        return dg.MaterializeResult(metadata={"version": outcome.release.version, "state": outcome.state})

    return scorer


def _build_trained(name: str, spec: GroundednessSpec) -> dg.AssetsDefinition:
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
        assert isinstance(spec, GroundednessSpec)
        try:
            gold = resolve(platform.zones.published, "gold", spec.scheme)
        except NotReleased as error:
            context.log.info("No gold set is promoted yet; nothing is trained: %s", error)
            return dg.MaterializeResult(metadata={"trained": False})
        released = _released(platform, name, PRODUCTION)
        try:
            before = encoder_of(platform.catalog, released.manifest.metadata["encoder"]) if released else None
            made = train_candidate(spec, gold, encoder_of(platform.catalog, spec.encoder), released, before)
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
            if outcome.release.version != (released.version if released else None):
                _score_again(platform, name, outcome.release.version, days_of_run(context.run))
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


def trained(catalog: Catalog) -> list[str]:
    """Names of scorers that are trained: seldom, and not with each day's tables."""
    return [name for name, spec in catalog.scorers.items() if not is_defined(spec)]


def _prepared(context: dg.AssetExecutionContext, platform: Platform, name: str, version: str) -> Prepared | None:
    try:
        return prepare_scorer(platform.zones, platform.catalog, name, platform.now(), version=version)
    except NotReleased as error:
        if version != PRODUCTION:
            raise
        context.log.info("%s: no version is released yet; nothing is scored: %s", name, error)
    except NotConfigured as error:
        context.log.warning("%s: nothing is scored: %s", name, error)
    return None


def _read_anchors(context: dg.AssetExecutionContext, platform: Platform, name: str, prepared: Prepared) -> None:
    """Before the day's answers, so that a used-up budget never leaves a day without a reading."""
    if prepared.read_anchors is None:
        return
    try:
        reading = prepared.read_anchors(platform.today())
    except NotReleased as error:
        context.log.info("%s: its anchors are not read: %s", name, error)
        return
    if reading is None:
        context.log.warning("%s: too few of its anchors got a score today; the reading is not kept", name)
    else:
        context.log.info("%s: agrees with people on %.1f %% of its anchors", name, 100 * reading.agreement)


def _say_what_was_asked(context: dg.AssetExecutionContext, name: str, prepared: Prepared, done: Counter[str]) -> None:
    judging = prepared.judging
    if judging is None:
        return
    done.update({f"{name}: {what}": count for what, count in judging.counts.items()})
    for failure, count in judging.failures.most_common(3):
        context.log.warning("%s: %d requests failed: %s", name, count, failure)
    spent = judging.budget.spent()
    dollars = "" if spent.dollars is None else f", {spent.dollars:.4f} USD"
    context.log.info("%s: %d calls%s of its budget of %s are spent", name, spent.calls, dollars, judging.budget.day)


def _score_again(platform: Platform, name: str, version: str, done: Collection[dt.date]) -> None:
    """Note days whose estimates read this scorer, but for those of this run: each reads one version of its window."""
    windows = [each.window_days for each in platform.catalog.evals.values() if each.scorer and each.scorer.name == name]
    since = platform.today() - dt.timedelta(days=2 * max(windows, default=0))
    for day in lake.days(platform.zones.lake, "inferences"):
        if windows and day >= since and day not in done:
            news.tell(platform.zones.lake, news.OUTCOMES, day, f"scorer {name} {version}")


def _released(platform: Platform, name: str, channel: str) -> Release | None:
    try:
        return resolve(platform.zones.published, KIND, name, channel)
    except NotReleased:
        return None
