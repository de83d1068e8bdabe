"""SCIM 2.0 at `/scim/v2`: identity providers keep users and groups here (RFC 7643, RFC 7644)."""
