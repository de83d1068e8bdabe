"""Opsteward: an always-on operations agent for a company's backend."""

__version__ = "0.1.0"
