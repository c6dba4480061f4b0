"""The knowledge base: real, the same every time, of a size that is embedded in a minute."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
from tokenizers import Tokenizer

from canonry import catalog
from canonry.demo.docstrings import documented
from canonry.demo.knowledge import DOCUMENTS_PATH, Document, knowledge_base, write_knowledge
from canonry.demo.packages import PACKAGES, Package
from canonry.encode import files_of
from canonry.index.chunks import cut
from canonry.index.documents import documents_of
from canonry.storage import Zones

ASSETS = Path(__file__).parent.parent.parent / "assets"


def test_the_same_installation_gives_the_same_documents(documents: list[Document]) -> None:
    assert knowledge_base() == documents
    assert [each.id for each in documents] == sorted({each.id for each in documents})


def test_every_package_on_the_list_is_installed(documents: list[Document]) -> None:
    assert {each.package for each in documents} == {package.name for package in PACKAGES}
    described = {each.id for each in documents if each.id == each.package}
    assert described == {package.name for package in PACKAGES}


def test_it_is_about_1500_chunks_that_take_a_minute_to_embed(documents: list[Document]) -> None:
    tokenizer_file = files_of("encoder", catalog.load(ASSETS).models["all-MiniLM-L6-v2"]).tokenizer_file
    rows = {"document_id": [each.id for each in documents], "title": [each.title for each in documents]}
    chunks = cut(pa.table({**rows, "text": [each.text for each in documents]}), tokenizer_file, 200)
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokens = [len(each.ids) for each in tokenizer.encode_batch_fast(chunks["text"].to_pylist())]
    assert 1_300 <= chunks.num_rows <= 1_600
    assert max(tokens) <= 200
    assert sum(tokens) <= 170_000


def test_the_index_reads_what_is_written_and_a_second_time_nothing_is(
    zones: Zones, some_documents: list[Document]
) -> None:
    assert write_knowledge(zones.exchange, some_documents)
    assert not write_knowledge(zones.exchange, some_documents)
    table = documents_of("python-packages", catalog.load(ASSETS).indexes["python-packages"], zones).table
    assert table["document_id"].to_pylist() == [each.id for each in some_documents]
    first = json.loads(zones.exchange.read(DOCUMENTS_PATH).splitlines()[0])
    assert first == {"id": some_documents[0].id, "title": some_documents[0].title, "text": some_documents[0].text}


def test_reading_imports_none_of_the_packages() -> None:
    program = (
        "import sys; from canonry.demo.knowledge import knowledge_base; knowledge_base();"
        "print([name for name in ('networkx', 'pandas', 'torch', 'statsmodels', 'dagster') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"


def test_a_package_that_is_not_installed_is_left_out() -> None:
    assert knowledge_base([Package("no_such_package", 5, {"core.py": "no_such_package"})]) == []


def test_public_docstrings_are_read_without_running_the_file(tmp_path: Path) -> None:
    source = tmp_path / "module.py"
    source.write_text(
        '''
raise SystemExit("was run")

def merge(left, right, _hidden=None):
    """Merge two tables.

    Parameters
    ----------
    left : table
        The :class:`~tables.Table` that keeps its order.

    Examples
    --------
    >>> merge(1, 2)
    """

def _private():
    """Not for users."""

def silent():
    pass

class Reader:
    """Read files.

    :param path: where the file is
    """

    def __init__(self, path):
        pass

    def rows(self, limit):
        """Give rows.

        Args:
            limit (int): how many
        """
'''
    )
    found = {each.name: each for each in documented(source)}
    assert {name: each.parameters for name, each in found.items()} == {
        "merge": ("left",),
        "Reader": ("path",),
        "Reader.rows": ("limit",),
    }
    assert found["merge"].text.endswith("The tables.Table that keeps its order.")
