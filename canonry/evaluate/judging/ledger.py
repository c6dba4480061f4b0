"""Every call of a judge as an inference of its own, so that it is charged like any other, to whoever owns the scorer.

Its operation is `judge`, and no text is logged: it is nobody's answer, and is neither drawn for labels nor scored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ulid import ULID

from canonry.completions import Completion, Failed, Request
from canonry.landing import LandingWriter

PRODUCT = SOURCE = "canonry-judge"
OPERATION = "judge"


@dataclass(frozen=True)
class Ledger:
    """Logs calls for one version of a scorer."""

    landing: LandingWriter
    scorer: str
    scorer_version: str
    owner: str
    provider: str
    prompt: Mapping[str, Any]

    def log(self, request: Request, outcome: Completion | Failed, judged: str) -> None:
        """Write a call that was made to landing; `judged` is the call or item that it was about."""
        if outcome.started_at is None:
            return
        event: dict[str, Any] = {
            "inference_id": str(ULID()),
            "started_at": outcome.started_at.isoformat(),
            "product": PRODUCT,
            "team": self.owner,
            "feature": self.scorer,
            "operation": OPERATION,
            "provider": self.provider,
            "request_model": request.model,
            "prompt_name": self.prompt["name"],
            "prompt_version": str(self.prompt["version"]),
            "latency_ms": outcome.latency_ms,
            "attributes": {"scorer_version": self.scorer_version, "judged": judged},
        }
        if isinstance(outcome, Failed):
            event["error_type"] = outcome.error_type
        else:
            event |= {
                "provider_response_id": outcome.response_id,
                "response_model": outcome.response_model,
                "system_fingerprint": outcome.system_fingerprint,
                "finish_reason": outcome.finish_reason,
                "input_tokens": outcome.input_tokens,
                "cache_read_tokens": outcome.cache_read_tokens,
                "output_tokens": outcome.output_tokens,
                "reasoning_tokens": outcome.reasoning_tokens,
            }
        self.landing.append("inferences", [{name: value for name, value in event.items() if value is not None}])
