"""Benchmarks: each prints a table with its figures, and the limit or peer that was measured in the same run."""
