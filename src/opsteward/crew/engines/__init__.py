"""The engines: plain functions from typed parameters to a typed result. No clock, no dice without a seed, no world."""
