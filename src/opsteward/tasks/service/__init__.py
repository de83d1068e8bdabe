"""The use cases of systems."""
