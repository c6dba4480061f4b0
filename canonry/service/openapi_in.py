"""What the OpenAPI document says of the routes that read their own bodies: those that take events, and the search."""

from __future__ import annotations

from typing import Any

from canonry.events import EVENT_TYPES, Field
from canonry.service.models_out import SearchQuery

_TYPES: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "integer": {"type": "integer"},
    "real": {"type": "number"},
    "boolean": {"type": "boolean"},
    "time": {"type": "string", "format": "date-time"},
    "json": {},
    "retrieved": {"type": "array", "items": {"type": "object"}},
}
_RESULT = {
    "type": "object",
    "required": ["status", "id", "reason"],
    "properties": {
        "status": {"enum": ["accepted", "duplicate", "rejected"]},
        "id": {"type": ["string", "null"]},
        "reason": {"type": ["string", "null"]},
    },
}
_COUNT = {"type": "integer", "minimum": 0}
_SCHEMAS: dict[str, Any] = {
    "SearchQuery": SearchQuery.model_json_schema(),
    "Outcomes": {
        "type": "object",
        "description": "An outcome an event, in the order sent. Rejected events are kept, with the reason.",
        "required": ["results", "accepted", "duplicate", "rejected"],
        "properties": {
            "results": {"type": "array", "items": _RESULT},
            "accepted": _COUNT,
            "duplicate": _COUNT,
            "rejected": _COUNT,
        },
    },
    "Problem": {
        "type": "object",
        "description": "RFC 9457: why a request was refused, and what to do.",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "row": {"type": ["integer", "null"]},
                        "field": {"type": "string"},
                        "message": {"type": "string"},
                    },
                },
            },
        },
    },
    "Status": {
        "type": "object",
        "description": "google.rpc.Status, as OTLP answers.",
        "required": ["code", "message"],
        "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
    },
}
_REFUSALS = {
    "400": "The body cannot be read: where, and what is wrong.",
    "401": "No key, or one that is unknown or revoked.",
    "403": "The key lacks the scope write:events.",
    "408": "The body took too long to arrive.",
    "413": "Too long, before or after decompression, or too many events.",
    "415": "A content type or encoding that is not supported.",
    "429": "Too many requests, or more waits to be written than may. See Retry-After.",
    "503": "Landing cannot be written at the moment. See Retry-After.",
    "507": "The disk is full. See Retry-After.",
}


def describe(document: dict[str, Any]) -> dict[str, Any]:
    """The application's OpenAPI document with the routes that take events."""
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(_SCHEMAS)
    components.setdefault("securitySchemes", {})["key"] = {"type": "http", "scheme": "bearer", "bearerFormat": "cnr"}
    paths = document.setdefault("paths", {})
    for kind in ("inferences", "feedback"):
        event = EVENT_TYPES[kind]
        schema = {
            "type": "object",
            "description": "Fields that are not named here are kept under `attributes`.",
            "properties": {field.name: _property(field) for field in event.all_fields},
            "required": [field.name for field in event.fields if field.required and field.name != "team"],
        }
        components["schemas"][kind.capitalize()] = schema
        one = {"$ref": f"#/components/schemas/{kind.capitalize()}"}
        many = {"type": "array", "items": one, "maxItems": 10_000}
        content = {
            "application/json": {"schema": {"anyOf": [one, many]}},
            "application/x-ndjson": {"schema": {"type": "string", "description": "One JSON object a line."}},
        }
        paths[f"/v1/{kind}"] = _post(f"Take {kind}, one or many.", content, "Outcomes", "Problem")
    payload = {"type": "object", "description": "LiteLLM's StandardLoggingPayload."}
    content = {
        "application/json": {"schema": {"anyOf": [payload, {"type": "array", "items": payload}]}},
        "application/x-ndjson": {"schema": {"type": "string"}},
    }
    paths["/v1/litellm"] = _post("Take what LiteLLM's generic API callback posts.", content, "Outcomes", "Problem")
    for signal in ("traces", "logs"):
        content = {
            "application/json": {"schema": {"type": "object"}},
            "application/x-protobuf": {"schema": {"type": "string", "format": "binary"}},
        }
        paths[f"/v1/{signal}"] = _post(f"Take OpenTelemetry {signal} (OTLP/HTTP).", content, "", "Status")
    for path, operations in paths.items():
        for operation in operations.values() if path.startswith("/v1/") else ():
            operation.setdefault("security", [{"key": []}])
    return document


def _post(summary: str, content: dict[str, Any], success: str, refusal: str) -> dict[str, Any]:
    media = "application/problem+json" if refusal == "Problem" else "application/json"
    answered = {"schema": {"$ref": f"#/components/schemas/{success}"} if success else {"type": "object"}}
    refused: dict[str, Any] = {media: {"schema": {"$ref": f"#/components/schemas/{refusal}"}}}
    taken: dict[str, Any] = {"application/json": answered}
    if refusal == "Status":
        binary = {"schema": {"type": "string", "format": "binary"}}
        refused["application/x-protobuf"] = taken["application/x-protobuf"] = binary
    responses: dict[str, Any] = {"200": {"description": "All of it is on disk.", "content": taken}}
    for status, description in _REFUSALS.items():
        if refusal == "Status" and status == "507":
            continue
        responses[status] = {"description": description, "content": refused}
        if status in ("429", "503", "507"):
            responses[status]["headers"] = {"Retry-After": {"schema": {"type": "integer", "minimum": 1}}}
    return {
        "post": {
            "summary": summary,
            "tags": ["events"],
            "security": [{"key": []}],
            "requestBody": {"required": True, "content": content},
            "responses": responses,
        }
    }


def _property(field: Field) -> dict[str, Any]:
    found: dict[str, Any] = {**_TYPES[field.type], "description": field.description}
    if field.minimum is not None:
        found["minimum"] = field.minimum
    if field.maximum is not None:
        found["maximum"] = field.maximum
    if field.one_of:
        found["enum"] = list(field.one_of)
    return found
