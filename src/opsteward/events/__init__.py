"""Intake, fingerprint, classification, incidents and standing orders."""
