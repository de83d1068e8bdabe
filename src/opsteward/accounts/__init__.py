"""Who works with Opsteward: tenants, operators, their credentials, roles and permissions."""
