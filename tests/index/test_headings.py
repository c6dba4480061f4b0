"""Headings: found where Markdown has them, and kept with every chunk that stands under them."""

from __future__ import annotations

import pyarrow as pa
from tokenizers import Tokenizer

from canonry.encode import EncoderFiles
from canonry.index.chunks import cut, embedded_texts
from canonry.index.headings import headings_of, path_at
from canonry.index.lexical import lexical_bytes
from canonry.index.tables import DOCUMENTS, FORMAT

TEXT = """# Guide

Intro.

## *Install* `it`

```
# no heading
```

Linux
-----

Use apt.

# Other

End.
"""


def test_headings_are_found_where_markdown_has_them() -> None:
    found = headings_of(TEXT)
    assert [(each.level, each.text) for each in found] == [(1, "Guide"), (2, "Install it"), (2, "Linux"), (1, "Other")]
    assert [TEXT[each.start :].split("\n")[0] for each in found] == ["# Guide", "## *Install* `it`", "Linux", "# Other"]
    assert path_at(found, TEXT.index("no heading")) == ["Guide", "Install it"]
    assert path_at(found, TEXT.index("Use apt")) == ["Guide", "Linux"]
    assert path_at(found, TEXT.index("Linux")) == ["Guide"]
    assert path_at(found, TEXT.index("# Other")) == []
    assert path_at(found, 0) == []
    assert headings_of(TEXT.replace("\n", "\r\n"))[1].start == TEXT.replace("\n", "\r\n").index("## *Install")


def documents(*texts: str) -> pa.Table:
    rows = [{"document_id": f"d{n}", "title": None, "text": text, "format": "markdown"} for n, text in enumerate(texts)]
    return pa.Table.from_pylist(rows, schema=pa.schema([*DOCUMENTS, FORMAT]))


def test_chunks_keep_the_headings_that_they_stand_under(encoder_files: EncoderFiles) -> None:
    body = "\n\n".join(f"Step {number} is done with some care and a tool." for number in range(6))
    text = f"# Guide\n\n## Install\n\n{body}\n\n## Remove\n\nGone."
    chunks = cut(documents(text), encoder_files.tokenizer_file, 40)
    assert FORMAT.name not in chunks.column_names
    under = chunks["headings"].to_pylist()
    assert ["Guide", "Install"] in under
    for chunk, path in zip(chunks["text"].to_pylist(), under, strict=True):
        if "Step 5" in chunk:
            assert path == ["Guide", "Install"]
    embedded = embedded_texts(chunks)
    assert any(each.startswith("Guide > Install\nStep") for each in embedded)
    tokenizer = Tokenizer.from_file(str(encoder_files.tokenizer_file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    assert max(len(tokenizer.encode(each).ids) for each in embedded) <= 40
    assert lexical_bytes(chunks, "english") != lexical_bytes(chunks.drop_columns(["headings"]), "english")


def test_a_path_that_is_too_long_loses_its_outermost_headings(encoder_files: EncoderFiles) -> None:
    text = f"# {'very ' * 30}long\n\n## Short\n\n" + "\n\n".join(f"Sentence {n} has words." for n in range(20))
    chunks = cut(documents(text), encoder_files.tokenizer_file, 60)
    assert ["Short"] in chunks["headings"].to_pylist()
    assert not any("very" in heading for path in chunks["headings"].to_pylist() for heading in path)


def test_documents_without_headings_have_no_such_column(encoder_files: EncoderFiles) -> None:
    chunks = cut(documents("Just words."), encoder_files.tokenizer_file, 60)
    assert "headings" not in chunks.column_names
    assert embedded_texts(chunks) == ["Just words."]
