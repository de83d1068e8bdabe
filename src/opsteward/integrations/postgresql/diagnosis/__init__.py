"""The PostgreSQL diagnoser: a snapshot of what the server tells of itself, and a table of rules that judge it."""
