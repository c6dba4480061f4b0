"""The client's promise: the base install is enough, and nothing heavy comes along."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from canonry.storage import Zones
from tests.released import chunks, release_index, vectors

ROOT = Path(__file__).parents[2]
HEAVY = (
    "dagster",
    "dbt",
    "duckdb",
    "torch",
    "sentence_transformers",
    "pandas",
    "yaml",
    "scipy",
    "obstore",
    "onnxruntime",
    "tokenizers",
)

USE = """
import importlib.util, json, sys
from canonry import client

home, query, heavy = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
hit = client.open_index("docs", home=home).search(query, k=1)[0]
worded = client.open_index("worded", home=home).search("chunk 41", k=1, mode="lexical")[0]
prompt = client.get_prompt("answer", home=home).render(question="q", passages="p")
table = client.read_table("cost_daily", columns=["team"], home=home).to_pydict()
installed = [name for name in heavy if importlib.util.find_spec(name)]
imported = [name for name in heavy if name in sys.modules]
print(json.dumps([hit.chunk_id, hit.text, worded.chunk_id, prompt, table, installed, imported]))
"""


@pytest.fixture
def home(home: Zones) -> Zones:
    """With an index `worded` beside, that has a lexical side."""
    release_index(home.published, vectors(), chunks(), name="worded", words=True)
    return home


def use_client(python: Path, home: Zones, query: np.ndarray, folder: Path) -> list[object]:
    arguments = [str(python), "-c", USE, home.home, json.dumps(query.tolist()), json.dumps(HEAVY)]
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def expected(row: int) -> list[object]:
    return [f"c{row}", f"text of chunk {row}", "c41", "Q: q\n{x} p", {"team": ["a", "b"]}]


def test_the_client_imports_nothing_heavy(home: Zones, made_vectors) -> None:  # type: ignore[no-untyped-def]
    *found, _, imported = use_client(Path(sys.executable), home, made_vectors()[7], ROOT)
    assert found == expected(7)
    assert imported == []


def test_the_client_works_in_a_bare_environment(home: Zones, made_vectors, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    constraints = ROOT / "constraints.txt"
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT / "canonry", checkout / "canonry", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, checkout)
    environment = tmp_path / "environment"
    run([sys.executable, "-m", "venv", str(environment)])
    python = environment / "bin" / "python"
    run([str(python), "-m", "pip", "install", "--quiet", "--no-compile", "-c", str(constraints), str(checkout)])
    *found, installed, _ = use_client(python, home, made_vectors()[7], tmp_path)
    assert found == expected(7)
    assert installed == [], "the base install brought something heavy"

    message = "from canonry import client; client.open_index('docs', home=__import__('sys').argv[1]).search_text('x')"
    done = subprocess.run([str(python), "-c", message, home.home], cwd=tmp_path, capture_output=True, text=True)
    assert "pip install 'canonry[encode]'" in done.stderr


def run(arguments: list[str]) -> None:
    done = subprocess.run(arguments, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"{' '.join(arguments)}:\n{done.stdout}\n{done.stderr}")
