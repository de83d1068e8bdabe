"""Sentry: its webhooks by a mapping (`source.yaml`), and what its SDKs send (envelopes, events). Pure, no network."""
