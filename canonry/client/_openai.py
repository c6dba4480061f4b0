"""Logging the calls of an OpenAI client, from the side: what it sends, answers and raises stays as it is.

Every call of the SDK goes through the client's `request`. Its answer is a parsed object, or wraps an HTTP response that
is yet to be read: then the bytes are listened to while the product reads them, however it does so.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from canonry.client._event_log import EventLog
from canonry.client._openai_call import OpenAICall, Settings

Client = TypeVar("Client")

PROVIDERS = {
    "openai.azure.com": "azure.ai.openai",
    "cognitiveservices.azure.com": "azure.ai.openai",
    "api.groq.com": "groq",
    "api.deepseek.com": "deepseek",
    "api.mistral.ai": "mistral_ai",
    "api.x.ai": "x_ai",
    "api.perplexity.ai": "perplexity",
}
"""Providers, named as in gen_ai.provider.name, by the end of their host's name; any other is `openai`."""


def wrap_openai(client: Client, *, log: EventLog | None = None, content: bool = True, **fields: Any) -> Client:
    """Log every chat completion, response, completion and embedding of this OpenAI client; gives the client itself.

    Sync and async clients, `AzureOpenAI` among them; streams and `with_raw_response` as well, and copies made by
    `with_options`. `fields` are put into every inference; `event_fields` adds some for a while, `last_inference_id`
    says what to give feedback on. With `content=False` no messages are logged. Whatever goes wrong in logging is
    logged, and never reaches the caller. Raises TypeError for what is no client.

    A chat stream says how many tokens it took only when asked: `stream_options={"include_usage": True}`.

    >>> import openai
    >>> client = wrap_openai(openai.OpenAI(api_key="…"), product="docs-site", team="docs")
    >>> type(client).__name__
    'OpenAI'
    """
    request = getattr(client, "request", None)
    if not callable(request) or not hasattr(client, "copy"):
        raise TypeError(f"wrap_openai takes a client such as openai.OpenAI(), found {type(client).__name__}")
    original: Callable[..., Any] = vars(client).setdefault(_ORIGINAL, request)
    settings = Settings(log, content, {"provider": _provider(client), **fields})
    waits = inspect.iscoroutinefunction(original)
    vars(client)["request"] = _asynchronous(original, settings) if waits else _sync(original, settings)
    for name in ("copy", "with_options"):
        vars(client)[name] = _copying(getattr(type(client), name), client, log, content, fields)
    return client


_ORIGINAL = "_canonry_original_request"


def _provider(client: Any) -> str:
    host = urlsplit(str(getattr(client, "base_url", ""))).hostname or ""
    return next((name for end, name in PROVIDERS.items() if host == end or host.endswith(f".{end}")), "openai")


def _copying(copy: Callable[..., Any], client: Any, *settings: Any) -> Callable[..., Any]:
    log, content, fields = settings

    def copied(*args: Any, **kwargs: Any) -> Any:
        return wrap_openai(copy(client, *args, **kwargs), log=log, content=content, **fields)

    return copied


def _sync(request: Callable[..., Any], settings: Settings) -> Callable[..., Any]:
    def logged(*args: Any, **kwargs: Any) -> Any:
        call = OpenAICall.begin(settings, args, kwargs)
        try:
            answer = request(*args, **kwargs)
        except BaseException as error:
            call.fail(error)
            raise
        call.answered(answer)
        return answer

    return logged


def _asynchronous(request: Callable[..., Any], settings: Settings) -> Callable[..., Any]:
    async def logged(*args: Any, **kwargs: Any) -> Any:
        call = OpenAICall.begin(settings, args, kwargs)
        try:
            answer = await request(*args, **kwargs)
        except BaseException as error:
            call.fail(error)
            raise
        call.answered(answer)
        return answer

    return logged
