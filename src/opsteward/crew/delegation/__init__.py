"""Who does a piece of work: the matrix, what it is expected to take, and what measured outcomes teach."""
