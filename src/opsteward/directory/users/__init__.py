"""Users: validation, creation, changes, lists and lifecycle."""
