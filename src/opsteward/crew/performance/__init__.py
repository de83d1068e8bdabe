"""What the crew's work took: figures, alerts on them, and recommendations that name the figures they come from."""
