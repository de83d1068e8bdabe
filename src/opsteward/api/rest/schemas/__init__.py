"""What the REST routes take and give."""
