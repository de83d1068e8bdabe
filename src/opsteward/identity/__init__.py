"""Who may do what: tenants, operators, tokens, roles and permissions."""
