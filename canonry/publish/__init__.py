"""Hands back what is canonical: tables, prompts and models as releases, every move of a channel journalled."""

from canonry.publish.catalog import publish_models, publish_prompts, unpublished
from canonry.publish.erasure import erase_and_journal
from canonry.publish.moves import (
    Outcome,
    promote_and_journal,
    prune_and_journal,
    release_and_promote,
    rollback_and_journal,
    start_canary_and_journal,
    stop_canary_and_journal,
    unyank_and_journal,
    yank_and_journal,
)
from canonry.publish.tables import publish_tables
from canonry.publish.waiting import uncompared

__all__ = [
    "Outcome",
    "erase_and_journal",
    "promote_and_journal",
    "prune_and_journal",
    "publish_models",
    "publish_prompts",
    "publish_tables",
    "release_and_promote",
    "rollback_and_journal",
    "start_canary_and_journal",
    "stop_canary_and_journal",
    "uncompared",
    "unpublished",
    "unyank_and_journal",
    "yank_and_journal",
]
