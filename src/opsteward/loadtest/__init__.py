"""Load, stress and soak against a running instance: simulated users, what they measured, and whether it passed."""
