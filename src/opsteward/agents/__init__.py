"""Background agents: what always runs, where it runs, and how it is kept running."""
