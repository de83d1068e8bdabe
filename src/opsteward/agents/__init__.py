"""Background agents: their registration, claiming by processes, supervision, mailbox and metrics; the shipped ones."""
