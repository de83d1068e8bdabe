"""Everything that comes in over HTTP: REST, SCIM, webhooks, the live feed. Validates, asks a service, answers."""
