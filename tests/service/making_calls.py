"""A product that calls a model through the openai package, watched by a real instrumentation and its OTLP exporter.

    python tests/service/making_calls.py genai|genai-older|genai-logs|openinference MODEL_URL SINK_URL

A program of its own: instrumentations patch the packages of their process, and read their settings once.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

SETTINGS = {
    "genai": ("gen_ai_latest_experimental", "SPAN_ONLY"),
    "genai-logs": ("gen_ai_latest_experimental", "EVENT_ONLY"),
    "genai-older": ("", "true"),
    "openinference": ("", "true"),
}
PRODUCT, ENVIRONMENT = "docs-site", "test"
CHAT: dict[str, Any] = {
    "model": "gpt-x",
    "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello there my friend"}],
    "temperature": 0.2,
    "max_tokens": 50,
    "seed": 3,
}
STREAMED: dict[str, Any] = {"model": "gpt-x", "messages": [{"role": "user", "content": "stream this please"}]}
EMBEDDED = {"model": "embedder", "input": ["one two", "three"]}
LIMITED: dict[str, Any] = {"model": "limited", "messages": [{"role": "user", "content": "too much"}]}


def main(convention: str, model_url: str, sink_url: str) -> None:
    """Make the calls and flush the exporters."""
    stability, capture = SETTINGS[convention]
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = stability
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = capture
    import openai
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": PRODUCT, "deployment.environment.name": ENVIRONMENT})
    headers = {"Authorization": f"Bearer {os.environ.get('CANONRY_API_KEY', 'none')}"}
    traces = TracerProvider(resource=resource)
    logs = LoggerProvider(resource=resource)
    spans = OTLPSpanExporter(endpoint=f"{sink_url}/v1/traces", headers=headers, compression=Compression.Gzip)
    records = OTLPLogExporter(endpoint=f"{sink_url}/v1/logs", headers=headers)
    traces.add_span_processor(BatchSpanProcessor(spans))
    logs.add_log_record_processor(BatchLogRecordProcessor(records))
    if convention == "openinference":
        from openinference.instrumentation.openai import OpenAIInstrumentor as OpenInference

        OpenInference().instrument(tracer_provider=traces)
    else:
        from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

        OpenAIInstrumentor().instrument(tracer_provider=traces, logger_provider=logs)

    client = openai.OpenAI(base_url=model_url, api_key=os.environ.get("MODEL_API_KEY", "none"), max_retries=0)
    with traces.get_tracer("the product").start_as_current_span("GET /answer"):
        client.chat.completions.create(**CHAT)
        for _ in client.chat.completions.create(**STREAMED, stream=True, stream_options={"include_usage": True}):
            pass
        client.embeddings.create(**EMBEDDED)
        with suppress(openai.RateLimitError):
            client.chat.completions.create(**LIMITED)
    traces.shutdown()
    logs.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
