"""One folder per outside system or format."""
