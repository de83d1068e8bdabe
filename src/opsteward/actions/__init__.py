"""Effects on outside systems, each requested, limited, planned, approved, executed, verified, undone and audited."""
