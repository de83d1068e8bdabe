"""The agents that every installation has: they look after Opsteward itself."""
