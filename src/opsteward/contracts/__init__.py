"""What a plug-in implements: connector, check, action, task type, background agent. No database, framework or I/O."""
