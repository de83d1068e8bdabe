"""Engines of content: links, duplicates, readability, metadata."""
