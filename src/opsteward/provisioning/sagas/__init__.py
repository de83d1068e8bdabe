"""Sagas: one change of records over several systems, all of it done or all of it taken back."""
