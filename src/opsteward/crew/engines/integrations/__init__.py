"""Engines of integrations: contracts and field mappings."""
