"""Names of OpenTelemetry's GenAI conventions, of several years and dialects, in a table: newest first.

All of these conventions are still in development, and what runs in production is years old.
https://github.com/open-telemetry/semantic-conventions-genai, https://ai-sdk.dev/docs/ai-sdk-core/telemetry
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

INFERENCES = frozenset({"chat", "text_completion", "generate_content", "embeddings"})
"""Operations that are calls to a model."""

USER = ("enduser.id", "user.id", "enduser.pseudo.id", "ai.telemetry.metadata.userId")
"""Attributes that name the user, the likeliest id first."""

AGENT = "invoke_agent"

STEPS = {
    "retrieval": "retriever",
    "execute_tool": "tool",
    AGENT: "pipeline",
    "create_agent": "pipeline",
    "invoke_workflow": "pipeline",
    "plan": "pipeline",
}
"""Operations that are steps, in the words of STEP.operation."""


@dataclass(frozen=True)
class Convention:
    """Names of one time: the attribute of each field, and since when they were written so."""

    since: str
    names: Mapping[str, str]


CONVENTIONS = (
    Convention(
        "1.37 and later",
        {
            "operation": "gen_ai.operation.name",
            "provider": "gen_ai.provider.name",
            "request_model": "gen_ai.request.model",
            "response_model": "gen_ai.response.model",
            "provider_response_id": "gen_ai.response.id",
            "system_fingerprint": "openai.response.system_fingerprint",
            "service_tier": "openai.response.service_tier",
            "input_tokens": "gen_ai.usage.input_tokens",
            "cache_read_tokens": "gen_ai.usage.cache_read.input_tokens",
            "cache_write_tokens": "gen_ai.usage.cache_creation.input_tokens",
            "output_tokens": "gen_ai.usage.output_tokens",
            "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
            "finish_reason": "gen_ai.response.finish_reasons",
            "prompt_name": "gen_ai.prompt.name",
            "prompt_version": "gen_ai.prompt.version",
            "session_id": "gen_ai.conversation.id",
            "input_messages": "gen_ai.input.messages",
            "output_messages": "gen_ai.output.messages",
            "query": "gen_ai.retrieval.query.text",
            "retrieved": "gen_ai.retrieval.documents",
        },
    ),
    Convention(
        "1.37, as some SDKs write it",
        {
            "cache_write_tokens": "gen_ai.usage.cache_write.input_tokens",
            "service_tier": "openai.request.service_tier",
            "session_id": "session.id",
        },
    ),
    Convention(
        "1.27 to 1.36",
        {
            "provider": "gen_ai.system",
            "system_fingerprint": "gen_ai.openai.response.system_fingerprint",
            "service_tier": "gen_ai.openai.response.service_tier",
            "cache_read_tokens": "gen_ai.usage.cache_read_input_tokens",
            "cache_write_tokens": "gen_ai.usage.cache_creation_input_tokens",
            "reasoning_tokens": "gen_ai.usage.reasoning_tokens",
        },
    ),
    Convention(
        "before 1.27, and OpenLLMetry",
        {
            "operation": "llm.request.type",
            "input_tokens": "gen_ai.usage.prompt_tokens",
            "output_tokens": "gen_ai.usage.completion_tokens",
            "service_tier": "gen_ai.openai.request.service_tier",
            "reasoning_tokens": "llm.usage.reasoning_tokens",
        },
    ),
    Convention(
        "Vercel's AI SDK, from 5",
        {
            "operation": "ai.operationId",
            "provider": "ai.model.provider",
            "request_model": "ai.model.id",
            "response_model": "ai.response.model",
            "provider_response_id": "ai.response.id",
            "input_tokens": "ai.usage.inputTokens",
            "cache_read_tokens": "ai.usage.cachedInputTokens",
            "output_tokens": "ai.usage.outputTokens",
            "reasoning_tokens": "ai.usage.reasoningTokens",
            "finish_reason": "ai.response.finishReason",
            "session_id": "ai.telemetry.metadata.sessionId",
            "input_messages": "ai.prompt.messages",
            "query": "ai.prompt",
        },
    ),
    Convention(
        "Vercel's AI SDK, before 5",
        {
            "input_tokens": "ai.usage.promptTokens",
            "output_tokens": "ai.usage.completionTokens",
            "finish_reason": "ai.finishReason",
        },
    ),
    Convention("Vercel's AI SDK, of embeddings", {"input_tokens": "ai.usage.tokens"}),
)
"""Newest first: where a span has several, the newest name counts."""

NAMES: dict[str, tuple[str, ...]] = {
    field: tuple(each.names[field] for each in CONVENTIONS if field in each.names)
    for field in dict.fromkeys(field for each in CONVENTIONS for field in each.names)
}
"""Attributes of each field, newest first."""

PROVIDERS = {
    "amazon-bedrock": "aws.bedrock",
    "az.ai.inference": "azure.ai.inference",
    "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "azure-openai": "azure.ai.openai",
    "gemini": "gcp.gemini",
    "google.generative-ai": "gcp.gemini",
    "google.vertex": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "vertex_ai": "gcp.vertex_ai",
    "xai": "x_ai",
}
"""Other names of providers: older ones, and those of Vercel's AI SDK."""

APIS = (".chat", ".completion", ".embedding", ".embeddings", ".messages", ".responses")
"""Which of a provider's interfaces was called; Vercel's AI SDK adds it to the provider's name."""

OTHER_OPERATIONS = {
    "completion": "text_completion",
    "embedding": "embeddings",
    "ai.generateText.doGenerate": "chat",
    "ai.generateObject.doGenerate": "chat",
    "ai.streamText.doStream": "chat",
    "ai.streamObject.doStream": "chat",
    "ai.embed.doEmbed": "embeddings",
    "ai.embedMany.doEmbed": "embeddings",
    "ai.rerank.doRerank": "rerank",
    "ai.toolCall": "execute_tool",
}
"""Operations in other words: older ones, and those of Vercel's AI SDK."""

PARAMETERS = {
    "stop_sequences": "stop",
    "choice.count": "n",
    "encoding_formats": "encoding_format",
    "dimension.count": "dimensions",
}
"""Request parameters that the APIs call otherwise than the conventions do."""
