"""Tests of actions: they share the one worker that their process can start."""
