"""What users may beside their role: single grants of permissions and systems."""
