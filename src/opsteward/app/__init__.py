"""Composition only: builds the services of a process, wires them to each other, starts and stops them."""
