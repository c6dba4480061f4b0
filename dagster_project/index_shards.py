"""Index, for a large corpus: embedding and filling cut into partitions, for as many machines as there are.

They do ahead what the steps after them do anyway: whatever is left, or was never begun, is done there, and the release
is the same, byte for byte. So the schedules, which know days alone, pass them over; a backfill runs them.
"""

from typing import Any

import dagster as dg

from canonry.catalog import IndexSpec
from canonry.encode import EncoderFiles
from canonry.index import build as story
from dagster_project.resources import Platform

SHARDED = ("embedding_shards", "index_shards")
"""Assets of an index whose partitions are shards."""


def partitions_of(shards: int) -> dg.StaticPartitionsDefinition:
    """`1-of-8` and on."""
    return dg.StaticPartitionsDefinition([f"{number}-of-{shards}" for number in range(1, shards + 1)])


def embedding_shards(name: str, spec: IndexSpec, encoder: EncoderFiles, common: dict[str, Any]) -> dg.AssetsDefinition:
    """Chunks embedded by shard."""

    @dg.asset(
        key=["index", name, "embedding_shards"],
        deps=[["index", name, "chunks"], ["models", spec.encoder]],
        description="Vectors of each n-th chunk, saved as they come. One row per text.",
        kinds={"parquet", "huggingface"},
        **_cut(spec, common),
    )
    def embedded(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        made = story.embed_chunks(platform.zones, name, encoder, _shard(context))
        return dg.MaterializeResult(metadata={"embedded": made.embedded, "reused": made.reused})

    return embedded


def training(name: str, encoder: EncoderFiles, common: dict[str, Any]) -> dg.AssetsDefinition:
    """What every shard fills a copy of."""

    @dg.asset(
        key=["index", name, "training"],
        deps=[["index", name, "embeddings"]],
        description="Empty indexes, trained once and kept while they fit, one an audience.",
        kinds={"faiss"},
        **common,
    )
    def trained(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        with platform.alone(common["pool"], context.log):
            digests = story.train_index(platform.zones, name, platform.catalog.indexes[name], encoder)
        return dg.MaterializeResult(metadata={each: digest or "learns nothing" for each, digest in digests.items()})

    return trained


def index_shards(name: str, spec: IndexSpec, encoder: EncoderFiles, common: dict[str, Any]) -> dg.AssetsDefinition:
    """Slices filled by shard; the candidate merges them in order."""

    @dg.asset(
        key=["index", name, "index_shards"],
        deps=[["index", name, "training"]],
        description="Copies of the trained index, each filled with a slice of the vectors. One vector per chunk.",
        kinds={"faiss"},
        **_cut(spec, common),
    )
    def filled(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        governs = platform.catalog.indexes[name]
        rows = story.fill_shards(platform.zones, name, governs, encoder, _shard(context))
        return dg.MaterializeResult(metadata={"dagster/row_count": rows})

    return filled


def _cut(spec: IndexSpec, common: dict[str, Any]) -> dict[str, Any]:
    # Not in the index's pool: shards are to run at one time.
    alike = {key: value for key, value in common.items() if key != "pool"}
    return {**alike, "partitions_def": partitions_of(spec.shards)}


def _shard(context: dg.AssetExecutionContext) -> tuple[int, int]:
    number, _, of = context.partition_key.partition("-of-")
    return int(number), int(of)
