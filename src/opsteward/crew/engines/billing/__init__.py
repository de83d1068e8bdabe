"""Engines of billing: receivables, dunning, revenue, odd invoices."""
