"""What happened, provably: the audit log."""
