"""Load, stress and soak against a running instance."""
