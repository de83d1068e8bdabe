"""Troubleshooting sessions: seven phases that diagnose systems, have fixes carried out as actions, and verify them."""
