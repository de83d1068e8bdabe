"""Durable tasks: what is asked for, in which order and within which limits it runs, and what came of it."""
