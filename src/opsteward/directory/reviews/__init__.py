"""Access reviews: campaigns over who has what, and their decisions."""
