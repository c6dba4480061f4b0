"""A gold set in the formats people train on; the same release gives the same bytes."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from canonry import lake
from canonry.label.gold import datasheet
from canonry.label.gold.splits import SPLITS

FORMATS = ("chat", "parquet", "huggingface")


def export_files(
    items: pa.Table, sheet: Mapping[str, Any], version: str, form: str, splits: Sequence[str] = SPLITS
) -> dict[str, bytes]:
    """Files by path. Splits without an item have no file.

    `chat`: JSON Lines, a conversation an item that trains a judge: the scheme's instructions as the system's turn;
    question, passages and answer as the user's, in JSON, so that no text can pass for another part; the labels as the
    assistant's, in JSON, agreed spans as the words they mark. `parquet`: every column, a file a split. `huggingface`:
    the same as a repository that `datasets.load_dataset` reads, the datasheet being its card.
    """
    if form not in FORMATS:
        raise ValueError(f"format {form!r} is not one of {', '.join(FORMATS)}")
    tables = {split: items.filter(pc.equal(items["split"], split)) for split in splits}
    tables = {split: table for split, table in tables.items() if table.num_rows}
    if form == "chat":
        return {f"{split}.jsonl": chat_lines(table, sheet) for split, table in tables.items()}
    if form == "parquet":
        return {f"{split}.parquet": lake.parquet_bytes(table) for split, table in tables.items()}
    files = {f"data/{split}-00000-of-00001.parquet": lake.parquet_bytes(table) for split, table in tables.items()}
    return {**files, "README.md": _card(sheet, version, list(files))}


def chat_lines(items: pa.Table, sheet: Mapping[str, Any]) -> bytes:
    """A line an item: `{"messages": [system, user, assistant]}`."""
    lines = []
    for _, group in groupby(items.to_pylist(), lambda row: row["item_id"]):
        rows = list(group)
        asked = {name: rows[0][name] for name in ("question", "passages", "answer")}
        said: dict[str, Any] = {row["field"]: row["value"] for row in rows}
        if rows[0]["spans"] is not None:
            said["spans"] = [
                {"label": span["label"], "text": rows[0]["answer"][span["start"] : span["end"]]}
                for span in rows[0]["spans"]
            ]
        turns = [("system", _instructions(sheet["scheme"])), ("user", _json(asked)), ("assistant", _json(said))]
        lines.append(_json({"messages": [{"role": role, "content": content} for role, content in turns]}))
    return "".join(f"{line}\n" for line in lines).encode()


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files as a new folder, at once: beside it, synced, renamed. Raises FileExistsError where something is."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} is there already and not empty; name a folder that is not there yet")
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".writing-{uuid.uuid4().hex}")
    try:
        for path, data in files.items():
            (beside / path).parent.mkdir(parents=True, exist_ok=True)
            with open(beside / path, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        for each in {(beside / path).parent for path in files} | {beside}:
            _sync(each)
        beside.rename(folder)
        _sync(folder.parent)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _instructions(scheme: Mapping[str, Any]) -> str:
    questions = [f"{each['name']}: {each['question']} ({' | '.join(each['choices'])})" for each in scheme["choices"]]
    return "\n".join([scheme["instructions"].strip(), "", "Answer in JSON:", *questions])


def _card(sheet: Mapping[str, Any], version: str, paths: Sequence[str]) -> bytes:
    # JSON is YAML: a text is quoted as JSON quotes it.
    lines = ["---", f"pretty_name: {json.dumps('Gold set ' + sheet['name'])}", "configs:", "- config_name: default"]
    lines += ["  data_files:"]
    for path in paths:
        lines += [f"  - split: {path.removeprefix('data/').partition('-')[0]}", f"    path: {path}"]
    lines += ["---", "", f"Version {version} of a gold set of Canonry.", ""]
    return ("\n".join(lines) + "\n").encode() + datasheet.to_markdown(sheet)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=False)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
