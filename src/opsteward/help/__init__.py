"""Documents, search in them, and answers with sources: documents, the product's own pages and live figures."""
