"""Chat completions of any OpenAI-compatible endpoint: asked at once within a bound, retried, and kept by their content.

The endpoint and its key come from the environment (CANONRY_LLM_URL, CANONRY_LLM_API_KEY) and are written nowhere.
"""

from canonry.completions._ask import BACKGROUND, Patience, ask
from canonry.completions._endpoint import (
    KEY_VARIABLE,
    URL_VARIABLE,
    Endpoint,
    EndpointError,
    NotConfigured,
    configured_endpoint,
)
from canonry.completions._kept import forget, read_kept
from canonry.completions._many import complete
from canonry.completions._nouns import Completion, Failed, Message, Request

__all__ = [
    "BACKGROUND",
    "KEY_VARIABLE",
    "URL_VARIABLE",
    "Completion",
    "Endpoint",
    "EndpointError",
    "Failed",
    "Message",
    "NotConfigured",
    "Patience",
    "Request",
    "ask",
    "complete",
    "configured_endpoint",
    "forget",
    "read_kept",
]
