"""Wires all rooms into one running application."""
