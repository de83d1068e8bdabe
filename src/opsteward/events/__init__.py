"""Intake, fingerprint, classification, decision, incidents and standing orders."""
