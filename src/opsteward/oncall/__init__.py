"""Who is told of an incident, by which way, and who after them: on-call schedules, escalation policies, routes."""
