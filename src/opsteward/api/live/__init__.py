"""The live feed at `/ws`."""
