"""A file of items whose answer is known: JSON Lines in the exchange, each with its texts and answers."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from canonry.storage import NotFound, Storage


def read_file(exchange: Storage, path: str) -> tuple[str, list[dict[str, Any]]]:
    """Version and rows of a file of known items: `id, product, question, passages, answer, answers`.

    Raises ValueError naming file, row and field.
    """
    where = f"exchange/{path}"
    try:
        data = exchange.read(path)
    except NotFound:
        raise ValueError(f"{where}: is not there; known_answers.file of the scheme names it") from None
    rows = []
    for number, line in enumerate(data.splitlines(), start=1):
        if line.strip():
            rows.append(_checked(line, f"{where}: row {number}"))
    identifiers = [row["id"] for row in rows]
    if len(set(identifiers)) < len(identifiers):
        twice = next(each for each in identifiers if identifiers.count(each) > 1)
        raise ValueError(f"{where}: id: {twice!r} is there twice")
    return f"file:{hashlib.sha256(data).hexdigest()[:32]}", rows


def _checked(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{where}: is not JSON: {error}") from None
    if not isinstance(row, dict):
        raise ValueError(f"{where}: expected an object")
    for field in ("id", "product", "question", "answer"):
        if not isinstance(row.get(field), str):
            raise ValueError(f"{where}: {field}: expected a text")
    passages = row.get("passages")
    parts = passages if isinstance(passages, list) else [None]
    texts = [each.get(part) if isinstance(each, dict) else None for each in parts for part in ("chunk_id", "text")]
    if not all(isinstance(each, str) for each in texts):
        raise ValueError(f"{where}: passages: expected a list of objects with chunk_id and text")
    if not isinstance(row.get("answers"), dict):
        raise ValueError(f"{where}: answers: expected an object of answers by choice")
    return row
