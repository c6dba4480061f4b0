"""Channels: a webhook, Slack, e-mail, PagerDuty or any other that Apprise knows, by a URL from the environment.

The URL holds the channel's secret, so it is never said: not in an error, not in a log.
"""

from __future__ import annotations

import logging
import re

from canonry.alerts.outbox import Message


def send_by_apprise(url: str, message: Message) -> str | None:
    """Tell a channel; None where it has taken the message, else why not."""
    import apprise  # seconds: only where something is told

    log = logging.getLogger("apprise")
    log.propagate = False  # what it says may hold parts of the URL
    channel = apprise.Apprise()
    if not channel.add(url):
        return f"{message.channel} holds no URL that Apprise knows; it begins as json://, slack://, mailto://, pagerduty://"
    for service in channel:
        headers = getattr(service, "headers", None)
        if isinstance(headers, dict):
            headers["Idempotency-Key"] = message.message_id
    kinds = {"resolved": apprise.NotifyType.SUCCESS}
    kind = apprise.NotifyType.FAILURE if message.severity == "error" else apprise.NotifyType.WARNING
    with apprise.LogCapture(level=logging.WARNING) as said:
        taken = channel.notify(
            title=message.title,
            body=message.body,
            notify_type=kinds.get(message.what, kind),
            body_format=apprise.NotifyFormat.TEXT,
        )
        status = re.search(r"error=(\d{3})\b", said.getvalue())
    if taken:
        return None
    return f"{message.channel} answered with status {status[1]}" if status else f"{message.channel} took no message"
