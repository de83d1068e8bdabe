"""What standing orders would have decided over what is recorded: nothing is done, and nothing is written."""
