"""A scorer survives its files, and files that are none are refused with the reason."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from canonry.score import ScorerError, from_files, to_files, train, trees
from tests.score.made import letters, made_answers


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trees, "TREES", 5)
        return to_files(train(made_answers(), letters, facts=("response_model",)).scorer)


def test_what_is_read_scores_alike_and_writes_the_same_bytes(files: dict[str, bytes]) -> None:
    scorer = from_files(files.__getitem__)
    assert to_files(scorer) == files
    fresh = made_answers(sources=4, seed=3)
    answers, facts = [each.answer for each in fresh], [each.facts for each in fresh]
    assert scorer.score(answers, facts, letters) == from_files(files.__getitem__).score(answers, facts, letters)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("format_version", 99, r"^scorer\.json: format_version: found 99, expected 2; train the scorer again$"),
        ("columns", ["words"], r"^scorer\.json: columns: these signals are not those of this version"),
        ("roots", {"sentence": [10**6], "answer": [0]}, r"^scorer\.json: roots: expected nodes of nodes\.parquet$"),
        ("facts", [], r"^scorer\.json: last: expected a weight for each of worst"),
        ("threshold", "high", r"^the scorer's files do not fit together"),
    ],
)
def test_a_field_that_does_not_fit_is_named(files: dict[str, bytes], field: str, value: object, message: str) -> None:
    about = {**json.loads(files["scorer.json"]), field: value}
    with pytest.raises(ScorerError, match=message):
        from_files({**files, "scorer.json": json.dumps(about).encode()}.__getitem__)


def test_trees_that_run_in_circles_are_refused(files: dict[str, bytes]) -> None:
    nodes = pq.read_table(io.BytesIO(files["nodes.parquet"]))
    left = pc.if_else(pc.greater_equal(nodes["left"], 0), pa.scalar(0, pa.int32()), nodes["left"])
    broken = io.BytesIO()
    pq.write_table(nodes.set_column(nodes.column_names.index("left"), "left", left), broken)
    with pytest.raises(ScorerError, match=r"^nodes\.parquet: left: names nodes that are not behind their own$"):
        from_files({**files, "nodes.parquet": broken.getvalue()}.__getitem__)


def test_what_is_no_table_is_refused(files: dict[str, bytes]) -> None:
    with pytest.raises(ScorerError, match="do not fit together"):
        from_files({**files, "words.parquet": b"not a table"}.__getitem__)
