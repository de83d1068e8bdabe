"""People: users, enrollment, entitlements, access reviews, files of users in and out, and what SCIM stores."""
