"""Govern: models and prompts of the catalog, their history in YAML, their present state released."""

import dagster as dg

from canonry.catalog import Catalog
from canonry.publish import publish_models, publish_prompts
from dagster_project.evidence import governed, owners
from dagster_project.resources import Platform

GROUP = "govern"


def build(catalog: Catalog) -> dg.Definitions:
    """A sign for every model, the release of all of them, and a release for every prompt."""
    models = [
        dg.AssetSpec(
            ["models", name],
            description=f"{spec.description} Stage: {spec.stages[-1].stage} since {spec.stages[-1].since}.",
            group_name=GROUP,
            owners=owners(spec.owner),
            kinds={"yaml"},
            metadata=governed("models", name),
        )
        for name, spec in catalog.models.items()
    ]

    @dg.asset(
        key=["published", "models"],
        deps=[*(model.key for model in models), *_compared(catalog, "models")],
        description="Every model with its stage today and its own prices. Read one with canonry.client.get_model.",
        group_name=GROUP,
        owners=["team:ai_platform"],
        kinds={"json"},
    )
    def released_models(platform: Platform) -> dg.MaterializeResult:
        outcome = publish_models(platform.zones, platform.catalog, day=platform.today(), now=platform.published_at())
        version = outcome.release.version if outcome else "no model is in force yet"
        held_back = outcome.release.manifest.metadata["held_back"] if outcome else {}
        return dg.MaterializeResult(metadata={"version": version, "held_back": dg.MetadataValue.json(held_back)})

    prompts = [
        dg.AssetSpec(
            ["published", "prompts", name],
            deps=_compared(catalog, "prompts", name),
            description=f"{spec.description} Read it with canonry.client.get_prompt({name!r}).",
            group_name=GROUP,
            owners=owners(spec.owner),
            kinds={"json"},
            metadata=governed("prompts", name),
            skippable=True,
        )
        for name, spec in catalog.prompts.items()
    ]

    @dg.multi_asset(name="prompts", specs=prompts)
    def released_prompts(platform: Platform):  # type: ignore[no-untyped-def]
        outcomes = publish_prompts(platform.zones, platform.catalog, day=platform.today(), now=platform.published_at())
        for name, outcome in outcomes.items():
            why = outcome.verdict.message if outcome.verdict else "no comparison governs it, or nothing waits"
            metadata = {"version": outcome.release.version, "state": outcome.state, "why": why}
            yield dg.MaterializeResult(asset_key=["published", "prompts", name], metadata=metadata)

    return dg.Definitions(assets=[*models, released_models, *([released_prompts] if prompts else [])])


def _compared(catalog: Catalog, kind: str, name: str | None = None) -> list[dg.AssetKey]:
    """Comparisons that a promotion reads."""
    return [
        dg.AssetKey(["comparisons", each])
        for each, spec in catalog.comparisons.items()
        if spec.candidate.kind == kind and name in (None, spec.candidate.name)
    ]
