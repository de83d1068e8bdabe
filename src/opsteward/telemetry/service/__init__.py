"""The use cases of telemetry."""
