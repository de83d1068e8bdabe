"""Engines of analytics: trends, cohorts, funnels, changes."""
