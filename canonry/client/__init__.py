"""What a product team imports: canonical indexes, prompts, tables, models and gold sets, with the base install alone.

    from canonry import client

    index = client.open_index("python-packages")
    prompt = client.get_prompt("docs-answer")
    hits = index.search_text("How do I mock a clock?", k=5)          # needs the extra: pip install 'canonry[encode]'
    text = prompt.render(question="How do I mock a clock?", passages="\\n".join(hit.text for hit in hits))
    cost = client.read_table("cost_daily", columns=["day", "team", "cost"])
    gold = client.read_gold("groundedness").split("train")

    inference_id = client.log_inference(product="docs-site", request_model="gpt-5", output_tokens=38, latency_ms=210.5)
    client.give_feedback(inference_id, signal="thumb", value=1)
    openai_client = client.wrap_openai(openai.OpenAI(), product="docs-site")         # logs every call by itself

What is logged goes where CANONRY_URL and CANONRY_API_KEY say, or CANONRY_HOME and CANONRY_SOURCE. Everything is read
from `home`: a folder, an `s3://` URL, or the `http(s)://` URL of the service; without it from CANONRY_HOME, else from
the service at CANONRY_URL, else from `./.canonry`. Every file is checked against its release's manifest before it is
used; what comes from afar is kept in the user's cache folder (CANONRY_CACHE, at most CANONRY_CACHE_BYTES).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from canonry.client._call import Call, current_call
    from canonry.client._delivery import Stats
    from canonry.client._event_log import EventLog
    from canonry.client._gold import GoldSet, aread_gold, read_gold
    from canonry.client._index import Index, aopen_index, open_index
    from canonry.client._log import (
        aflush,
        event_fields,
        flush,
        give_feedback,
        inference,
        last_inference_id,
        log_inference,
        stats,
    )
    from canonry.client._model import Model, Price, aget_model, get_model
    from canonry.client._openai import wrap_openai
    from canonry.client._prompt import Prompt, PromptError, aget_prompt, get_prompt
    from canonry.client._table import aread_table, read_table
    from canonry.feedback import edit_distance
    from canonry.release import Damaged, NotReleased, ReleaseError
    from canonry.search import Hit, Reranker, SearchError, rerank

_WHERE = {
    "canonry.client._call": ("Call", "current_call"),
    "canonry.client._delivery": ("Stats",),
    "canonry.client._event_log": ("EventLog",),
    "canonry.client._gold": ("GoldSet", "aread_gold", "read_gold"),
    "canonry.client._index": ("Index", "aopen_index", "open_index"),
    "canonry.client._log": (
        "aflush",
        "event_fields",
        "flush",
        "give_feedback",
        "inference",
        "last_inference_id",
        "log_inference",
        "stats",
    ),
    "canonry.client._model": ("Model", "Price", "aget_model", "get_model"),
    "canonry.client._openai": ("wrap_openai",),
    "canonry.client._prompt": ("Prompt", "PromptError", "aget_prompt", "get_prompt"),
    "canonry.client._table": ("aread_table", "read_table"),
    "canonry.feedback": ("edit_distance",),
    "canonry.release": ("Damaged", "NotReleased", "ReleaseError"),
    "canonry.search": ("Hit", "Reranker", "SearchError", "rerank"),
}
"""Names by module. A name is imported when it is first used, so that a product pays for what it uses alone."""

_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}

__all__ = [
    "Call",
    "Damaged",
    "EventLog",
    "GoldSet",
    "Hit",
    "Index",
    "Model",
    "NotReleased",
    "Price",
    "Prompt",
    "PromptError",
    "ReleaseError",
    "Reranker",
    "SearchError",
    "Stats",
    "aflush",
    "aget_model",
    "aget_prompt",
    "aopen_index",
    "aread_gold",
    "aread_table",
    "current_call",
    "edit_distance",
    "event_fields",
    "flush",
    "get_model",
    "get_prompt",
    "give_feedback",
    "inference",
    "last_inference_id",
    "log_inference",
    "open_index",
    "read_gold",
    "read_table",
    "rerank",
    "stats",
    "wrap_openai",
]


def __getattr__(name: str) -> object:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
