"""Records of any two systems kept in step: read, compared in the database, planned, approved, written, undone."""
