"""Finds credentials in a text: the formats that detect-secrets knows, and some it does not know yet.

Only its regular expressions are used, run by RE2 in linear time: none of its filters, nothing that reaches a network.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from canonry.redact._find import MissingExtra

PLUGINS = {
    "aws": "AWSKeyDetector",
    "azure_storage_key": "AzureStorageKeyDetector",
    "basic_auth": "BasicAuthDetector",
    "cloudant": "CloudantDetector",
    "discord": "DiscordBotTokenDetector",
    "github_token": "GitHubTokenDetector",
    "gitlab_token": "GitLabTokenDetector",
    "mailchimp": "MailchimpDetector",
    "openai": "OpenAIDetector",
    "pypi_token": "PypiTokenDetector",
    "sendgrid": "SendGridDetector",
    "slack": "SlackDetector",
    "square_oauth": "SquareOAuthDetector",
    "stripe": "StripeDetector",
    "telegram_token": "TelegramBotTokenDetector",
    "twilio": "TwilioKeyDetector",
}
"""detect-secrets' plugins whose formats are distinct enough; those that go by a variable's name are left out."""

GROUPED = ("aws", "basic_auth")
"""Of those, the ones whose last group is the secret; of the others it is the whole match."""

OWN = (
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?s:.*?)(?:-----END [A-Z0-9 ]+-----|\z)",
    r"\bPuTTY-User-Key-File-\d(?s:.*)",
    r"\beyJ[\w=-]{8,}\.[\w=-]{8,}(?:\.[\w=-]+)*",  # JSON web token, its signature included
    r"\b[sr]k_(?:live|test)_[0-9A-Za-z]{16,}",  # Stripe
    r"\bgithub_pat_[A-Za-z0-9_]{22,}",
    r"\bnpm_[A-Za-z0-9]{36}\b",
    r"\bhf_[A-Za-z0-9]{30,}",  # Hugging Face
    r"\bAIza[0-9A-Za-z_-]{35}",  # Google
    r"\bya29\.[0-9A-Za-z_-]{20,}",
    r"\bcnr_[A-Za-z0-9]+_[A-Za-z0-9_-]{16,}",  # a key to this platform
)
OWN_GROUPED = (r"_authToken\s*=\s*([^\s\"'\\]+)",)
OWN_UNSURE = (
    r"\b((?:sk|pk|rk)-[A-Za-z0-9_-]{20,})",  # OpenAI, Anthropic, LiteLLM, …
    r"\b(AKC[A-Za-z0-9]{10,})\b",  # Artifactory
    r"(?i)\b(?:authorization|x-api-key|api-key)[\"']?\s*[:=]\s*[\"']?(?:bearer\s+|basic\s+)?([A-Za-z0-9._~+/=-]{16,})",
    r"(?i)\bbearer\s+([A-Za-z0-9._~+/=-]{20,})",
)
"""Formats that detect-secrets does not know, or whose expression there is slow on hostile text or cuts short.

What an unsure one finds is a secret only where it has a digit: `sk-fading-circle-of-dots` is a name.
"""

_DIGIT = re.compile(rb"\d")


@dataclass(frozen=True)
class Expression:
    """A regular expression for RE2, the marker of what it finds, and which group of a match that is."""

    marker: str
    pattern: str
    group: int = 0
    needs_digit: bool = False


class Expressions:
    """Expressions run by RE2 over UTF-8: one pass tells which of them match at all."""

    def __init__(self, expressions: Iterable[Expression]) -> None:
        try:
            import re2
        except ImportError:
            raise MissingExtra("google-re2") from None
        options = re2.Options()
        options.log_errors = False
        options.max_mem = 64 << 20
        self._set = re2.Set.SearchSet(options)
        self._each: list[tuple[Expression, Any]] = []
        for expression in expressions:
            self._set.Add(expression.pattern.encode())
            self._each.append((expression, re2.compile(expression.pattern.encode(), options)))
        if self._each:
            self._set.Compile()

    def find(self, data: bytes) -> Iterator[tuple[int, int, str]]:
        """Span, in bytes of UTF-8, and marker of what is found. Spans may overlap."""
        for number in (self._set.Match(data) if self._each else None) or ():
            expression, compiled = self._each[number]
            for match in compiled.finditer(data):
                start, end = match.span(expression.group)
                if start < end and not (expression.needs_digit and not _DIGIT.search(data, start, end)):
                    yield start, end, expression.marker


def secret_expressions() -> list[Expression]:
    """Expressions of secrets. Raises MissingExtra where detect-secrets is not installed."""
    found = [Expression("secret", pattern) for pattern in OWN]
    found += [Expression("secret", pattern, group=1) for pattern in OWN_GROUPED]
    found += [Expression("secret", pattern, group=1, needs_digit=True) for pattern in OWN_UNSURE]
    for module, name in PLUGINS.items():
        try:
            plugin = getattr(import_module(f"detect_secrets.plugins.{module}"), name)
        except ImportError:
            raise MissingExtra("detect-secrets") from None
        for compiled in plugin.denylist:
            if "(?<=" not in compiled.pattern:
                group = compiled.groups if module in GROUPED else 0
                found.append(Expression("secret", _for_re2(compiled), group))
    return found


def _for_re2(compiled: re.Pattern[str]) -> str:
    """The same expression without what RE2 lacks, where leaving it out finds no less."""
    pattern = compiled.pattern.replace(r"(?!\w)", "").replace("{50,1024}", "{50,}")
    return f"(?i){pattern}" if compiled.flags & re.IGNORECASE else pattern
