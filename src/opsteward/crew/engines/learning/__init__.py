"""What engines learn from rows with known outcomes: tables as numbers, models, and how well they do."""
