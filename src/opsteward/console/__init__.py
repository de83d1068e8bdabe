"""The console's pages: templates on the server, read without a script, kept up to date by a stream of notices."""
