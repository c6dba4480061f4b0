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

from canonry.client._index import Index, open_index
from canonry.client._model import Model, Price, get_model
from canonry.client._prompt import Prompt, PromptError, get_prompt
from canonry.client._table import read_table
from canonry.release import Damaged, NotReleased, ReleaseError
from canonry.search import Hit, SearchError

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
