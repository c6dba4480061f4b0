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
        deps=[model.key for model in models],
        description="Every model with its stage today and its own prices. Read one with canonry.client.get_model.",
        group_name=GROUP,
        owners=["team:ai_platform"],
        kinds={"json"},
    )
    def released_models(platform: Platform) -> dg.MaterializeResult:
        outcome = publish_models(platform.zones, platform.catalog, day=platform.today(), now=platform.published_at())
        version = outcome.release.version if outcome else "no model is in force yet"
        return dg.MaterializeResult(metadata={"version": version})

    prompts = [
        dg.AssetSpec(
            ["published", "prompts", name],
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
            metadata = {"version": outcome.release.version, "state": outcome.state}
            yield dg.MaterializeResult(asset_key=["published", "prompts", name], metadata=metadata)

    return dg.Definitions(assets=[*models, released_models, *([released_prompts] if prompts else [])])
