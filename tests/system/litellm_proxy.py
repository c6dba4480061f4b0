"""A real LiteLLM proxy for the tests: in an environment of its own, its models a stand-in's and its own mock answers.

Besides what its callback posts to the collector it keeps a log of its own, `own.jsonl`: what LiteLLM says of each call,
written by LiteLLM itself when it happens.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from canonry.demo.programs import environment, free_port, started

PACKAGES = Path(__file__).with_name("litellm.txt")
PRICES = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "cache_read_input_token_cost": 2.5e-7}
"""Of the stand-in's models, US dollars a token."""

_LIVE = "/health/liveliness"
_OWN_LOG = """
import json, os
from litellm.integrations.custom_logger import CustomLogger

class OwnLog(CustomLogger):
    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        with open(os.environ["OWN_LOG"], "a") as file:
            file.write(json.dumps(kwargs["standard_logging_object"], default=str) + "\\n")

    async_log_failure_event = async_log_success_event

own_log = OwnLog()
"""


@dataclass(frozen=True)
class Proxy:
    """A running proxy: its OpenAI-compatible URL, the key it wants, and its own log."""

    url: str
    key: str
    own_log: Path

    def logged(self) -> list[dict[str, Any]]:
        """What it says of each call."""
        return [json.loads(line) for line in self.own_log.read_text().splitlines()] if self.own_log.exists() else []


@contextmanager
def running(folder: Path, model_url: str, collector_url: str, token: str) -> Iterator[Proxy]:
    """A proxy before the stand-in at `model_url`, which logs to the collector. Raises ServerFailed."""
    port, key, own_log = free_port(), f"sk-{secrets.token_hex(32)}", folder / "own.jsonl"
    (folder / "own_log.py").write_text(_OWN_LOG)
    (folder / "config.yaml").write_text(yaml.safe_dump(_config(model_url, collector_url)))
    variables = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(folder),
        "LITELLM_MASTER_KEY": key,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "DEFAULT_FLUSH_INTERVAL_SECONDS": "1",
        "CANONRY_AUTHORIZATION": f"Bearer {token}",
        "OWN_LOG": str(own_log),
    }
    python = str(environment(PACKAGES) / "bin" / "python")
    arguments = ["--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
    command = [python, "-c", "import sys; from litellm import run_server; sys.exit(run_server())", *arguments]
    live = f"http://127.0.0.1:{port}{_LIVE}"
    with started("LiteLLM", command, lambda _: live, folder / "proxy.log", variables) as (url, _):
        yield Proxy(url.removesuffix(_LIVE) + "/v1", key, own_log)


def _config(model_url: str, collector_url: str) -> dict[str, Any]:
    """As docs/connect.md says, with models for the tests."""
    stand_in = {"api_base": model_url, "api_key": "none"}
    models = [
        {"model_name": name, "litellm_params": {"model": f"openai/{name}", **stand_in, **PRICES}}
        for name in ("gpt-x", "embedder", "limited", "broken")
    ]
    mock = {"model": "openai/gpt-4o-mini", "api_key": "none", "mock_response": "It is answered by nobody."}
    return {
        "model_list": [*models, {"model_name": "fast", "litellm_params": mock}],
        "router_settings": {"num_retries": 0, "disable_cooldowns": True, "fallbacks": [{"broken": ["gpt-x"]}]},
        "litellm_settings": {
            "cache": True,
            "cache_params": {"type": "local"},
            "callbacks": ["canonry", "own_log.own_log"],
        },
        "callback_settings": {
            "canonry": {
                "callback_type": "generic_api",
                "endpoint": f"{collector_url}/v1/litellm",
                "headers": {"Authorization": "os.environ/CANONRY_AUTHORIZATION"},
                "log_format": "ndjson",
                "max_retries": 5,
                "retry_delay": 1,
            }
        },
        "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"},
    }
