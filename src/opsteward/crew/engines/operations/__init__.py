"""Engines of operations: incidents, hand-overs, capacity."""
