"""Protocols of other products, at their own addresses: their clients report here unchanged."""
