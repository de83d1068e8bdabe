"""The use cases of the one door."""
