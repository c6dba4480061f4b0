"""A lake of calls that searched the index `help`, with what users thought of the answers."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pyarrow as pa

from canonry import lake
from canonry.index import tables
from canonry.storage import Zones

DAY = dt.date(2026, 1, 2)


def write_documents(zones: Zones, *ids: str) -> None:
    """The index's documents, as the step before leaves them."""
    rows = [{"document_id": each, "title": None, "text": each} for each in ids]
    tables.put_table(zones.lake, tables.documents_path("help"), pa.Table.from_pylist(rows, tables.DOCUMENTS))


def write_calls(zones: Zones, calls: list[dict[str, Any]], day: dt.date = DAY) -> None:
    """Each with `id`, `question`, `answer`, `retrieved` (chunk_id, text, score), `thumbs`, and fields of its own."""
    facts, texts, feedback = [], [], []
    for call in calls:
        fact = dict.fromkeys(lake.SCHEMAS["inferences"].names) | {"index_name": "help", "operation": "chat"}
        fact |= {"started_at": dt.datetime.combine(day, dt.time(9)), "inference_id": call["id"]}
        facts.append(fact | {name: value for name, value in call.items() if name in fact})
        texts.append(
            dict.fromkeys(lake.SCHEMAS["contents"].names)
            | {
                "inference_id": call["id"],
                "input_messages": json.dumps([{"role": "user", "content": call["question"]}]),
                "output_messages": json.dumps([{"role": "assistant", "content": call.get("answer", "")}]),
                "retrieved": [
                    {"chunk_id": each[0], "text": each[1], "score": each[2] if len(each) > 2 else None}
                    for each in call.get("retrieved", ())
                ],
            }
        )
        for number, value in enumerate(call.get("thumbs", ())):
            feedback.append(
                dict.fromkeys(lake.SCHEMAS["feedback"].names)
                | {"feedback_id": f"{call['id']}-{number}", "inference_id": call["id"], "origin": "user"}
                | {"signal": "thumb", "value": value, "given_at": dt.datetime.combine(day, dt.time(10))}
            )
    for kind, rows in (("inferences", facts), ("contents", texts), ("feedback", feedback)):
        lake.write(zones.lake, kind, day, pa.Table.from_pylist(rows, lake.SCHEMAS[kind]), {})
