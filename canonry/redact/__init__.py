"""Redaction: what identifies a person, or opens a door, is taken out of an event before anything of it is stored."""

from canonry.redact._find import MissingExtra
from canonry.redact._mask import Mask
from canonry.redact._redactor import DROPPED, Redactor, is_identifier, names_content
from canonry.redact._users import USER_FIELDS, TooDeep

__all__ = ["DROPPED", "USER_FIELDS", "Mask", "MissingExtra", "Redactor", "TooDeep", "is_identifier", "names_content"]
