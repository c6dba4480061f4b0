"""Canonry: the data and feedback platform of a central AI team."""

__version__ = "0.1.0"
