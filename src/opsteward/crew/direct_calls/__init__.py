"""Direct calls: named queries and calls on registered systems, declared in files, read-only."""
