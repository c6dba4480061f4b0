"""What a product team imports: canonical indexes, prompts, tables and models, with the base install alone.

    from canonry import client

    index = client.open_index("python-packages")
    prompt = client.get_prompt("docs-answer")
    hits = index.search_text("How do I mock a clock?", k=5)          # needs the extra: pip install 'canonry[encode]'
    text = prompt.render(question="How do I mock a clock?", passages="\\n".join(hit.text for hit in hits))
    cost = client.read_table("cost_daily", columns=["day", "team", "cost"])

Everything is read from `home`: a folder or `s3://` URL, by default CANONRY_HOME, else `./.canonry`. Every file is
checked against its release's manifest before it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from canonry.client._index import Index, open_index
    from canonry.client._model import Model, Price, get_model
    from canonry.client._prompt import Prompt, PromptError, get_prompt
    from canonry.client._table import read_table
    from canonry.release import Damaged, NotReleased, ReleaseError
    from canonry.search import Hit, SearchError

_WHERE = {
    "canonry.client._index": ("Index", "open_index"),
    "canonry.client._model": ("Model", "Price", "get_model"),
    "canonry.client._prompt": ("Prompt", "PromptError", "get_prompt"),
    "canonry.client._table": ("read_table",),
    "canonry.release": ("Damaged", "NotReleased", "ReleaseError"),
    "canonry.search": ("Hit", "SearchError"),
}
"""Names by module. A name is imported when it is first used, so that a product pays for what it uses alone."""

_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}

__all__ = [
    "Damaged",
    "Hit",
    "Index",
    "Model",
    "NotReleased",
    "Price",
    "Prompt",
    "PromptError",
    "ReleaseError",
    "SearchError",
    "get_model",
    "get_prompt",
    "open_index",
    "read_table",
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
