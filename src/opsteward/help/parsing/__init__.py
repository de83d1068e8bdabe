"""Files of documents as titles and sections of plain text. Runs where it can be ended: see `core.computing`."""
