"""What happened: the audit log and its chain, metrics, traces, event-loop lag."""
