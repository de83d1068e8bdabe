"""Silences and inhibitions: which incidents are kept without anything being done or anybody told, and why."""
