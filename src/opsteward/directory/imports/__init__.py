"""Users from files: read as a stream, checked row by row, written set by set, by a job that survives its process."""
