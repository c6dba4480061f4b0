"""An index's candidate compared with production by an eval: the golden queries that it lost, and its promotion."""

from __future__ import annotations

from pathlib import Path

import pytest

from canonry.catalog import Catalog, ComparisonSpec
from canonry.encode import EncoderFiles
from canonry.index.build import build_index
from canonry.index.golden import golden_queries
from canonry.regressions import NothingToCompare, compare, compare_all, standing_now, texts_of
from canonry.regressions.rankings import query_id
from canonry.storage import Zones
from tests.index.test_build import DOCUMENTS, NOW, put_in_production

GOLDEN = [{"query": document["text"], "documents": [document["id"]]} for document in DOCUMENTS]


def spec_of(metric: str) -> ComparisonSpec:
    return ComparisonSpec.model_validate(
        {
            "kind": "comparison",
            "description": "Made for this test only.",
            "owner": "a-team",
            "candidate": {"kind": "indexes", "name": "help"},
            "metric": metric,
            "margin": 0.05,
        }
    )


@pytest.mark.parametrize("metric", ["hit_rate_at_10", "mrr"])
def test_a_candidate_that_lost_documents_is_held_back_and_names_the_queries_by_their_ids(
    metric: str, zones: Zones, tiny_encoder: EncoderFiles, make_spec
) -> None:
    build_index(zones, "help", make_spec(DOCUMENTS, golden_queries=GOLDEN), tiny_encoder)
    released = put_in_production(zones, "help")
    index = make_spec(DOCUMENTS[12:], golden_queries=GOLDEN)
    catalog = Catalog(Path("assets"), indexes={"help": index}, comparisons={"c": spec_of(metric)})
    with pytest.raises(NothingToCompare, match="no candidate waits"):
        compare(zones, catalog, "c", now=NOW)
    built = build_index(zones, "help", index, tiny_encoder)
    assert built.version
    waiting = standing_now(zones, catalog, "indexes", "help", built.version)
    assert waiting and "was not compared" in waiting.message
    found = compare_all(zones, catalog, "indexes", "help", now=NOW)["c"]
    assert (found.verdict.word, found.released, found.candidate) == ("worse", released, built.version)
    golden = golden_queries("help", index, zones)
    lost = {query_id(each) for each in golden if each.documents & {each["id"] for each in DOCUMENTS[:12]}}
    assert {flip.item for flip in found.flips if flip.after < flip.before} >= lost and len(lost) == 12
    verdict = standing_now(zones, catalog, "indexes", "help", built.version)
    assert verdict and not verdict.passed
    words = texts_of(zones, catalog, found, NOW.date())
    assert {words[each].question for each in lost} == {document["text"] for document in DOCUMENTS[:12]}
