"""Bodies of other products' webhooks, read as events by declared mappings and, failing those, by common field names."""
