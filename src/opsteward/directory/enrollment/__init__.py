"""Enrollments: what a user asks for by its role, and who lets it in."""
