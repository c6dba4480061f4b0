"""Alerts: what monitors found, the incidents made of it, who is told, and that they are told."""

from canonry.alerts.findings import Cause, Finding, Slice, slice_key, slice_said
from canonry.alerts.incidents import Entry, Incident, NoSuchIncident, acknowledge, every, find, note
from canonry.alerts.looks import Look, keep_look, last_day, last_look
from canonry.alerts.outbox import Delivery, Message, deliver, last_errors, pending, queue
from canonry.alerts.silences import Silence, silence, silenced, silences
from canonry.alerts.table import incident_rows, write_incidents

__all__ = [
    "Cause",
    "Delivery",
    "Entry",
    "Finding",
    "Incident",
    "Look",
    "Message",
    "NoSuchIncident",
    "Silence",
    "Slice",
    "acknowledge",
    "deliver",
    "every",
    "find",
    "incident_rows",
    "keep_look",
    "last_day",
    "last_errors",
    "last_look",
    "note",
    "pending",
    "queue",
    "silence",
    "silenced",
    "silences",
    "slice_key",
    "slice_said",
    "write_incidents",
]
