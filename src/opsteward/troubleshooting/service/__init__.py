"""The use cases of troubleshooting."""
