"""How well questions are answered from documents: see `__main__`."""
