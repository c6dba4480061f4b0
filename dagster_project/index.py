"""Index: documents, chunks, embeddings and a candidate, the gate in front of its release."""

from typing import Any

import dagster as dg

from canonry.catalog import Catalog, IndexSpec
from canonry.encode import files_of
from canonry.index import build as story
from canonry.index import judge
from canonry.index.gaps import coverage_gaps
from canonry.publish import prune_and_journal, release_and_promote
from canonry.regressions import compare_all, standing_now
from canonry.release import NotReleased
from dagster_project import index_shards as shards
from dagster_project.evidence import gated, governed, owners
from dagster_project.resources import WEEKLY, Platform

GROUP = "index"


def build(name: str, spec: IndexSpec, catalog: Catalog) -> dg.Definitions:
    """A canonical index, step by step; a failed gate keeps its candidate and stops the release."""
    encoder = files_of(spec.encoder, catalog.models[spec.encoder])
    pool = f"index_{name}"
    common: dict[str, Any] = {
        "group_name": GROUP,
        "owners": owners(spec.owner),
        "metadata": governed("indexes", name),
        "pool": pool,
    }

    @dg.asset(
        key=["index", name, "documents"],
        description=f"{spec.description} One row per document.",
        kinds={"parquet"},
        **common,
    )
    def documents(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        with platform.alone(pool, context.log):
            step = story.read_documents(platform.zones, name, platform.catalog.indexes[name], encoder)
        for file, reason in step.left_out.items():
            context.log.warning("%s: left out: %s", file, reason)
        return dg.MaterializeResult(
            metadata={"dagster/row_count": step.rows, "sha256": step.sha256, "left_out": step.left_out}
        )

    @dg.asset(
        key=["index", name, "chunks"],
        deps=[documents],
        description="Documents cut to the encoder's own tokens. One row per chunk.",
        kinds={"parquet"},
        **common,
    )
    def chunks(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        with platform.alone(pool, context.log):
            step = story.cut_documents(platform.zones, name, platform.catalog.indexes[name], encoder)
        return dg.MaterializeResult(
            metadata={"dagster/row_count": step.rows, "sha256": step.sha256, "near_duplicates": step.duplicates}
        )

    sharded = spec.shards > 1
    ahead = [shards.embedding_shards(name, spec, encoder, common)] if sharded else []

    @dg.asset(
        key=["index", name, "embeddings"],
        deps=[chunks, *ahead, ["models", spec.encoder]],
        description="A vector for every chunk; a text is embedded once for ever. One row per text.",
        kinds={"parquet", "huggingface"},
        **common,
    )
    def embeddings(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        with platform.alone(pool, context.log):
            made = story.embed_chunks(platform.zones, name, encoder)
        return dg.MaterializeResult(metadata={"embedded": made.embedded, "reused": made.reused})

    if sharded:
        ahead += [shards.training(name, encoder, common), shards.index_shards(name, spec, encoder, common)]

    @dg.asset(
        key=["index", name, "candidate"],
        deps=[embeddings, *ahead[1:]],
        description="FAISS indexes that wait for their gate, one an audience. One vector per chunk.",
        kinds={"faiss"},
        **common,
    )
    def candidate(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        with platform.alone(pool, context.log):
            versions = story.build_candidates(platform.zones, name, platform.catalog.indexes[name], encoder)
        return dg.MaterializeResult(metadata={"versions": versions or "no documents yet"})

    @dg.asset_check(
        asset=candidate,
        name="gate",
        blocking=True,
        description="Recall against exact search holds, and golden queries are surely answered no worse than released.",
    )
    def gate(platform: Platform) -> dg.AssetCheckResult:
        reports = judge.check_candidates(platform.zones, name, platform.catalog.indexes[name], platform.published_at())
        if not reports:
            return dg.AssetCheckResult(passed=True, description="There are no documents yet, and so no candidate.")
        said = {each: "; ".join((*report.reasons, *report.flags)) for each, report in reports.items()}
        compared = compare_all(platform.zones, platform.catalog, "indexes", name, now=platform.published_at())
        said |= {each: found.verdict.message for each, found in compared.items()}
        return dg.AssetCheckResult(
            passed=all(report.passed for report in reports.values())
            and all(found.verdict.passed for found in compared.values()),
            description="\n".join(
                said.values() if list(said) == [name] else (f"{each}: {said[each]}" for each in said)
            ),
            metadata={each: dg.MetadataValue.json(report.to_metadata()) for each, report in reports.items()},
        )

    @dg.asset(
        key=["published", "indexes", name],
        deps=[candidate],
        description=f"{spec.description} Open it with canonry.client.open_index({name!r}).",
        kinds={"faiss"},
        freshness_policy=WEEKLY,
        **common,
    )
    def released(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        candidates = judge.release_candidates(platform.zones, name)
        if not candidates:
            context.log.info("There are no documents yet; nothing is released")
            return dg.MaterializeResult(metadata={"state": "no documents yet"})
        metadata: dict[str, Any] = {}
        governs = platform.catalog.indexes[name]
        version = candidates[name].version if name in candidates else None
        verdict = standing_now(platform.zones, platform.catalog, "indexes", name, version) if version else None
        for release_name, built in candidates.items():
            outcome = release_and_promote(
                platform.zones,
                "indexes",
                release_name,
                built.files,
                metadata=built.metadata,
                lineage=built.lineage,
                reason="passed its gate",
                now=platform.published_at(),
                channel=governs.channel,
                verdict=verdict if release_name == name else None,
            )
            about: dict[str, Any] = {
                "version": outcome.release.version,
                "state": outcome.state,
                "vectors": built.metadata["vectors"],
                **gated(built.metadata["gate"]),
            }
            if governs.keep_releases:
                about["pruned"] = prune_and_journal(
                    platform.zones, "indexes", release_name, keep=governs.keep_releases, now=platform.published_at()
                )
            metadata |= about if release_name == name else {f"{release_name}/{key}": about[key] for key in about}
        return dg.MaterializeResult(metadata=metadata)

    assets = [documents, chunks, *ahead, embeddings, candidate, released]
    if spec.gaps:
        assets.append(_coverage_gaps(name, released, common))
    return dg.Definitions(assets=assets, asset_checks=[gate])


def _coverage_gaps(name: str, released: dg.AssetsDefinition, common: dict[str, Any]) -> dg.AssetsDefinition:
    @dg.asset(
        key=["index", name, "coverage_gaps"],
        deps=[released],
        description="What users ask again and again that nothing in the index is near to; for its owners alone: "
        f"`canonry index gaps {name}`. One row per gap.",
        kinds={"parquet"},
        **common,
    )
    def gaps(platform: Platform) -> dg.MaterializeResult:
        # Figures alone: whoever sees the graph need not see what users asked.
        try:
            found = coverage_gaps(platform.zones, name, platform.catalog.indexes[name])
        except NotReleased:
            return dg.MaterializeResult(metadata={"state": "nothing is released yet"})
        metadata = {"dagster/row_count": found.table.num_rows, "questions": found.questions, "far": found.far}
        return dg.MaterializeResult(metadata=metadata)

    return gaps
