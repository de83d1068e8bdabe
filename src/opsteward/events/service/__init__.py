"""The use cases of events: intake, incidents, standing orders."""
