"""The one door for side effects."""
