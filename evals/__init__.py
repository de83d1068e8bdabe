"""How good grouping and judging are, measured on data that nobody here wrote: `make evals`."""
