"""Where completions come from: an address and a key from the environment, which no message ever shows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

URL_VARIABLE, KEY_VARIABLE = "CANONRY_LLM_URL", "CANONRY_LLM_API_KEY"


class NotConfigured(Exception):
    """No endpoint is set; the message says which variables to set."""


class EndpointError(Exception):
    """The endpoint refuses everything that is asked of it; the message says why, without the key."""


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible endpoint: `url` ends before `/chat/completions`, as in `https://api.openai.com/v1`."""

    url: str
    key: str | None = field(default=None, repr=False)

    @property
    def host(self) -> str:
        """What may be shown of it: no path, no user, no key."""
        return urlsplit(self.url).hostname or "the endpoint"

    def conceal(self, text: str) -> str:
        """A text of the endpoint's without its key, cut to what a log can hold."""
        return (text.replace(self.key, "***") if self.key else text)[:300]


def configured_endpoint(environment: Mapping[str, str] | None = None) -> Endpoint:
    """The endpoint that the environment names. Raises NotConfigured."""
    said = os.environ if environment is None else environment
    url = said.get(URL_VARIABLE, "").strip().rstrip("/").removesuffix("/chat/completions")
    if not url:
        raise NotConfigured(
            f"{URL_VARIABLE} is not set: give the base URL of an OpenAI-compatible endpoint, such as "
            f"http://127.0.0.1:4000/v1, and its key, where it takes one, in {KEY_VARIABLE}"
        )
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NotConfigured(f"{URL_VARIABLE} is no http or https URL; it looks like http://127.0.0.1:4000/v1")
    return Endpoint(url, said.get(KEY_VARIABLE) or None)
