"""How well questions for Opsteward's own pages are answered: see `__main__`."""
