"""Spans and log records as SDKs send them in JSON, and what comes of them."""

from __future__ import annotations

import json
from typing import Any

from canonry.events import EVENT_TYPES
from canonry.service.formats import otlp

TRACE = "0af7651916cd43dd8448eb211c80319c"
START = 1_773_144_000_000_000_000
SECOND = 1_000_000_000
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}


def value(of: Any) -> dict[str, Any]:
    if isinstance(of, bool):
        return {"boolValue": of}
    if isinstance(of, int):
        return {"intValue": str(of)}
    if isinstance(of, float):
        return {"doubleValue": of}
    if isinstance(of, list):
        return {"arrayValue": {"values": [value(each) for each in of]}}
    if isinstance(of, dict):
        return {"kvlistValue": {"values": attributes(of)}}
    return {"stringValue": of}


def attributes(of: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(each)} for key, each in of.items()]


def span(number: int, said: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "traceId": TRACE,
        "spanId": f"{number:016x}",
        "name": f"span {number}",
        "startTimeUnixNano": str(START + number * SECOND),
        "endTimeUnixNano": str(START + number * SECOND + SECOND // 4),
        "attributes": attributes(said),
        **more,
    }


def event(name: str, said: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "timeUnixNano": str(START + 9 * SECOND), "attributes": attributes(said)}


def body(*spans: dict[str, Any], resource: dict[str, Any] | None = None) -> bytes:
    described = {"service.name": "shop"} if resource is None else resource
    scoped = {"scope": {"name": "tracer"}, "spans": list(spans)}
    group = {"resource": {"attributes": attributes(described)}, "scopeSpans": [scoped]}
    return json.dumps({"resourceSpans": [group]}).encode()


def convert(*spans: dict[str, Any], **more: Any) -> otlp.Converted:
    found = otlp.convert(body(*spans, **more), "application/json")
    for kind, each in found.events:
        assert each.keys() <= EVENT_TYPES[kind].field_names | {"user_id"}
        assert each.keys() >= {field.name for field in EVENT_TYPES[kind].fields if field.required} - {"team"}
    return found


def only(*spans: dict[str, Any], **more: Any) -> dict[str, Any]:
    ((_, found),) = convert(*spans, **more).events
    return dict(found)


def logs(*records: dict[str, Any]) -> otlp.Converted:
    group = {"resource": {"attributes": attributes({"service.name": "shop"})}, "scopeLogs": [{"logRecords": records}]}
    return otlp.convert_logs(json.dumps({"resourceLogs": [group]}).encode(), "application/json")
