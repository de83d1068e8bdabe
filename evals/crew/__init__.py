"""How true the crew's engines are: `python -m evals.crew`."""
