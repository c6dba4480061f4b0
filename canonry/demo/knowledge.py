"""The knowledge base: documentation that lies on this machine, because the packages are installed. None is committed.

A document is a package's description, or the docstring of one public class or function. Which ones is decided by the
list below and by a digest of their names, so the same installation gives the same documents.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from canonry.demo.docstrings import Documented, documented
from canonry.demo.packages import PACKAGES, Package
from canonry.storage import Storage

INDEX = "python-packages"
"""The index in assets/indexes/ that the documents are for."""

DOCUMENTS_PATH = f"documents/{INDEX}/documents.jsonl"

LONGEST = 1_100
"""Characters of a document; it is cut at the end of a paragraph."""

_SHORTEST = 160


@dataclass(frozen=True)
class Document:
    """One thing that can be asked about."""

    id: str
    """Its public name: `pandas.DataFrame.merge`, or a package's name."""
    package: str
    text: str
    parameters: tuple[str, ...] = ()
    """Names of parameters that the text explains."""

    @property
    def title(self) -> str:
        """What people see of it in a list."""
        return self.id if self.id != self.package else f"{self.id} (package)"

    @property
    def summary(self) -> str:
        """Its first paragraph, on one line."""
        first, _, rest = self.text.partition("\n\n")
        return " ".join((first if self.id == self.package else rest.split("\n\n")[0]).split())


def knowledge_base(packages: Iterable[Package] = PACKAGES) -> list[Document]:
    """Every document, in order of id; no two of a package begin with the same paragraph."""
    documents = [document for package in packages for document in _of_package(package)]
    return sorted(documents, key=lambda document: document.id)


def write_knowledge(exchange: Storage, documents: Iterable[Document]) -> bool:
    """Put the documents where the index reads them: JSON Lines with id, title, text. False where they already are."""
    rows = ({"id": each.id, "title": each.title, "text": each.text} for each in documents)
    return put_lines(exchange, DOCUMENTS_PATH, rows)


def put_lines(exchange: Storage, path: str, rows: Iterable[Mapping[str, object]]) -> bool:
    """Write JSON Lines, unless they are there already."""
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    if exchange.head(path) and exchange.read(path) == data:
        return False
    exchange.put(path, data)
    return True


def _of_package(package: Package) -> Iterator[Document]:
    found = importlib.util.find_spec(package.name)
    if found is None or not found.submodule_search_locations:
        return
    yield _description(package)
    folder = Path(next(iter(found.submodule_search_locations)))
    candidates: dict[str, Document] = {}
    for file, public in package.modules.items():
        if (folder / file).is_file():
            for each in documented(folder / file):
                document = _docstring(package, f"{public}.{each.name}", each)
                candidates.setdefault(document.id, document)
    distinct = {each.summary: each for each in candidates.values() if len(each.text) >= _SHORTEST}
    yield from sorted(distinct.values(), key=lambda document: _place(document.id))[: package.count]


def _docstring(package: Package, name: str, found: Documented) -> Document:
    text = _cut(found.text)
    kept = tuple(each for each in found.parameters if re.search(rf"\b{re.escape(each)}\b", text))
    signature = f"{name}({', '.join(found.parameters)})" if found.parameters else name
    return Document(name, package.name, f"{signature}\n\n{text}", kept)


def _description(package: Package) -> Document:
    about = importlib.metadata.metadata(package.distribution or package.name)
    summary = about["Summary"] or "a Python package"
    paragraphs = [f"{package.name}: {summary}", _cut(_prose(about.json.get("description")))]
    if about["Requires-Python"]:
        paragraphs.append(f"{package.name} needs Python {about['Requires-Python']}.")
    return Document(package.name, package.name, "\n\n".join(each for each in paragraphs if each))


def _prose(description: object) -> str:
    """Paragraphs of a README that are sentences: no badges, tables, headings, code or markup."""
    text = re.sub(r"```.*?```|<[^>]*>|!\[[^\]]*\]\([^)]*\)", "", str(description or ""), flags=re.DOTALL)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    paragraphs = [" ".join(each.split()) for each in re.split(r"\n\s*\n", text)]
    sentences = [each for each in paragraphs if re.match(r"[A-Z`*]", each) and each.endswith(".")]
    return "\n\n".join(each for each in sentences if len(each) > 60)


def _cut(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    end = max(text.rfind("\n\n", 0, LONGEST), text.rfind(".\n", 0, LONGEST) + 1)
    return text[: end if end > LONGEST // 3 else text.rfind("\n", 0, LONGEST)].rstrip()


def _place(identifier: str) -> bytes:
    return hashlib.blake2b(identifier.encode(), digest_size=8).digest()
