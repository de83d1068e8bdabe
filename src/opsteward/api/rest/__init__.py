"""The REST routes, one file a domain."""
