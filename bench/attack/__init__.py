"""`make attack`: hostile requests against a real instance, and what they do to it and to others."""
