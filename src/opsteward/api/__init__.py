"""The HTTP wall."""
