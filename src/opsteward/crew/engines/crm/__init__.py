"""Engines of customer relations: leads, segments, campaigns, pipelines, churn."""
