"""The rules of enrollment: who is let in by whom and gets what, and which duties must not meet."""
