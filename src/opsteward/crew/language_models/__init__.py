"""Language models: which there are, what a call may cost, reasoning by them. Imported when one is first asked."""
