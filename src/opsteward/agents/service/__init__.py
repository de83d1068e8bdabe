"""The use cases of background agents."""
