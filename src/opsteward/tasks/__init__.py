"""Tasks: submitting, claiming in order and within limits, running, their outcomes; schedules and emergency pauses."""
