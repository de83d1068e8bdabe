"""The inventory of outside systems, their connections and their health."""
