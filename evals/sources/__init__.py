"""How well bodies are read whose products no mapping knows: by the names of their fields alone."""
