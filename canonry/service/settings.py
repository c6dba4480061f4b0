"""What the service is told: where it listens, what it accepts, and how much of it. Read from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import cast

from canonry.label.studio import LabelStudioError
from canonry.label.webhook import webhook_secret


@dataclass(frozen=True)
class Settings:
    """Every setting with its default; `CANONRY_SERVICE_<NAME>` in the environment overrides it."""

    home: str | None = None
    """Folder or `s3://` URL of the zones; by default CANONRY_HOME."""

    assets: Path = Path("assets")
    """Folder of governed YAML, whose `sources/` say how text is redacted (CANONRY_ASSETS)."""

    host: str = "127.0.0.1"
    port: int = 8090

    insecure_local: bool = False
    """Answer without keys. Only on a loopback address."""

    max_body_bytes: int = 8 << 20
    """Longest body as sent."""

    max_decompressed_bytes: int = 8 << 20
    """Longest body after decompression. While JSON is parsed nobody is answered: for so much, of nothing but brackets,
    half a second."""

    max_queue_bytes: int = 64 << 20
    """Bytes of bodies that are read or wait for the disk at one time; more is answered with 429."""

    requests_per_second: float = 1000.0
    """Requests a second by key; 0 is no limit."""

    burst: int = 2000
    """Requests that a key may make at once after a pause."""

    remembered_ids: int = 200_000
    """Ids of events by which repeated ones are recognised at the door. Collect recognises all."""

    webhook_secret: str = field(default="", repr=False)
    """By which Label Studio is known (LABEL_STUDIO_WEBHOOK_SECRET); without one its webhooks are not taken."""

    def __post_init__(self) -> None:
        for name in ("max_body_bytes", "max_decompressed_bytes", "max_queue_bytes", "burst", "remembered_ids"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected at least 1")
        if self.requests_per_second < 0:
            raise ValueError(f"requests_per_second is {self.requests_per_second}, expected 0 or more")


def from_environment() -> Settings:
    """Settings as the environment gives them. Raises ValueError naming the variable that is wrong."""
    given: dict[str, object] = {}
    if assets := os.environ.get("CANONRY_ASSETS"):
        given["assets"] = Path(assets)
    try:
        given["webhook_secret"] = webhook_secret()
    except LabelStudioError as error:
        raise ValueError(str(error)) from None
    for setting in fields(Settings):
        variable = f"CANONRY_SERVICE_{setting.name.upper()}"
        text = os.environ.get(variable)
        # Whether keys are needed is said on the command line, where it is seen.
        if not text or setting.name in ("home", "assets", "insecure_local", "webhook_secret"):
            continue
        kind = type(cast(str | int | float, setting.default))
        try:
            given[setting.name] = kind(text)
        except ValueError:
            raise ValueError(f"{variable}: {text!r} is not a number ({kind.__name__})") from None
    return Settings(**given)  # type: ignore[arg-type]
