"""Opsgenie: its webhooks by a mapping (`source.yaml`), and what its clients send to the Alert API."""
