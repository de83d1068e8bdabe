"""Questions about this instance as it stands, answered from its rooms' own services under the asker's permissions."""
