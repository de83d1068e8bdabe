"""The outside systems that are looked after: inventory, connections, health."""
