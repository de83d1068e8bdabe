"""Patterns: groups of events that recur, what they hang together with, and what to do about them."""
