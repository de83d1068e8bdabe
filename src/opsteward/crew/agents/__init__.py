"""The agents of the crew: files that a person can read, and the tree that they make."""
