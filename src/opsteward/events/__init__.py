"""Events: intake, fingerprint, classification, decision, incidents with their timeline, standing orders."""
