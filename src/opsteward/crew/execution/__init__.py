"""Doing a piece of work: plan, hand over, gather, check, report; each step is recorded once."""
