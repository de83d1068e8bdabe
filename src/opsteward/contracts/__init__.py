"""What a plug-in implements: connector, check, action. No database, no framework, no I/O here."""
