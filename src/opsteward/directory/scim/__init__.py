"""What SCIM stores and finds. The protocol itself is in `api.scim`."""
