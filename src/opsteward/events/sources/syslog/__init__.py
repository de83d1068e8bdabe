"""Syslog as an event source: what a line says, how lines stand in a stream, and the listener that takes them."""
