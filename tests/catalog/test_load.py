"""The catalog: what holds loads, and what does not is told all at once, each as `path: field: message`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from canonry.catalog import KINDS, CatalogError, load
from canonry.catalog.schemas import schema_texts, write
from tests.catalog.documents import ENCODER, INDEX, MODEL, PUSH, SCHEME, only, problems, put

ASSETS = Path(__file__).parents[2] / "assets"


def test_what_is_governed_loads_and_every_kind_has_an_example():
    catalog = load(ASSETS)
    assert {kind for kind, _, _ in catalog.items()} == set(KINDS)
    assert all(catalog.path(kind, name).is_file() for kind, name, _ in catalog.items())


def test_schemas_are_fresh_and_every_file_names_its_own(tmp_path):
    assert {path.name: path.read_text() for path in (ASSETS / ".schema").iterdir()} == schema_texts()
    for path in ASSETS.glob("*/*.yaml"):
        first = path.read_text().splitlines()[0]
        assert first == f"# yaml-language-server: $schema=../.schema/{path.parent.name}.json", path
    assert len(write(tmp_path)) == len(KINDS)
    assert write(tmp_path) == []


def test_loading_needs_no_graph_tables_or_engine():
    program = "import sys; from canonry.catalog import load; load('assets'); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ASSETS.parent, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"dagster", "dbt", "duckdb", "pandas", "pyarrow", "numpy", "torch", "faiss", "dagster_project"}


def test_many_broken_files_are_told_all_at_once(tmp_path):
    put(tmp_path, "sources/fine.yaml", PUSH)
    put(tmp_path, "sources/extra.yaml", {**PUSH, "colour": "red"})
    put(tmp_path, "sources/missing.yaml", {"type": "push", "owner": "a-team"})
    put(tmp_path, "sources/kind.yaml", {**PUSH, "type": "pull"})
    put(tmp_path, "sources/list.yaml", "- a\n- b\n")
    put(tmp_path, "sources/empty.yaml", "")
    put(tmp_path, "sources/broken.yaml", "description: [unclosed\n")
    put(tmp_path, "sources/two.yaml", "a: 1\n---\nb: 2\n")
    put(tmp_path, "sources/day.yaml", "description: 2026-13-45\n")
    (tmp_path / "sources/binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    put(tmp_path, "models/twice.yaml", "owner: a\ndescription: b\nowner: c\n")
    put(tmp_path, "indexes/lost.yaml", INDEX)
    put(tmp_path, "sources/other.yml", PUSH)
    put(tmp_path, "sources/deep/er.yaml", PUSH)
    put(tmp_path, "things/a.yaml", PUSH)
    put(tmp_path, "stray.yaml", PUSH)
    put(tmp_path, "sources/a name.yaml", PUSH)
    put(tmp_path, ".hidden/x.yaml", "anything")
    found = {(path, field) for path, field, _ in problems(tmp_path)}
    assert found == {
        ("sources/extra.yaml", "colour"),
        ("sources/missing.yaml", "description"),
        ("sources/kind.yaml", "type"),
        ("sources/list.yaml", "file"),
        ("sources/empty.yaml", "file"),
        ("sources/broken.yaml", "line 2"),
        ("sources/two.yaml", "line 2"),
        ("sources/day.yaml", "file"),
        ("sources/binary.yaml", "file"),
        ("models/twice.yaml", "line 3"),
        ("indexes/lost.yaml", "encoder"),
        ("sources/other.yml", "path"),
        ("sources/deep/er.yaml", "path"),
        ("things/a.yaml", "path"),
        ("stray.yaml", "path"),
        ("sources/a name.yaml", "path"),
    }


def test_a_folder_that_is_not_there_says_where_to_go(tmp_path):
    with pytest.raises(CatalogError, match="nowhere: folder: does not exist; run from the project's root"):
        load(tmp_path / "nowhere")


def test_an_unknown_encoder_names_both_files(tmp_path):
    put(tmp_path, "indexes/pages.yaml", INDEX)
    put(tmp_path, "models/large.yaml", {**MODEL, "role": "encoder", "encoder": ENCODER})
    path, field, message = only(tmp_path)
    assert (path, field) == ("indexes/pages.yaml", "encoder")
    assert str(tmp_path / "models/small.yaml") in message
    assert "large" in message


def test_a_reference_to_a_broken_file_is_told_once_of_that_file(tmp_path):
    put(tmp_path, "indexes/pages.yaml", INDEX)
    put(tmp_path, "models/small.yaml", "role: [")
    assert only(tmp_path)[0] == "models/small.yaml"


def test_an_index_needs_an_encoder_that_sees_a_whole_chunk(tmp_path):
    put(tmp_path, "models/small.yaml", MODEL)
    put(tmp_path, "indexes/pages.yaml", INDEX)
    assert "has role chat, not encoder" in only(tmp_path)[2]
    put(tmp_path, "models/small.yaml", {**MODEL, "role": "encoder", "encoder": ENCODER})
    assert only(tmp_path)[:2] == ("indexes/pages.yaml", "chunking.max_tokens")


def test_a_key_given_twice_deep_inside_is_told_with_its_line(tmp_path):
    put(tmp_path, "sources/a.yaml", "description: A product.\nowner: me\nlookups:\n  a: {key: x, key: y}\n")
    assert only(tmp_path) == ("sources/a.yaml", "line 4", "is not YAML: key 'key' is given twice")


def test_a_key_that_is_a_list_is_told(tmp_path):
    put(tmp_path, "sources/a.yaml", "? [a, b]\n: c\n")
    assert only(tmp_path)[1:] == ("line 1", "is not YAML: a key is not a single word")


@pytest.mark.parametrize("word", ["yes", "no", "on", "off", "Yes", "NO", "y", "n"])
def test_yes_and_no_are_words_as_keys_and_as_values(tmp_path, word):
    scheme = yaml.safe_dump(SCHEME).replace("- 'yes'", f"- {word}").replace("- 'no'", "- other")
    assert f"- {word}\n" in scheme
    put(tmp_path, "schemes/grounded.yaml", scheme)
    assert load(tmp_path).schemes["grounded"].choices[0].choices == (word, "other")
    put(tmp_path, "sources/a.yaml", f"{word}: 1\n" + yaml.safe_dump(PUSH))
    assert only(tmp_path)[:2] == ("sources/a.yaml", word)


def test_true_and_false_stay_what_they_are(tmp_path):
    put(tmp_path, "indexes/a.yaml", yaml.safe_dump(INDEX) + "optional: true\n")
    put(tmp_path, "models/small.yaml", {**MODEL, "role": "encoder", "encoder": {**ENCODER, "max_tokens": 500}})
    assert load(tmp_path).indexes["a"].optional is True
