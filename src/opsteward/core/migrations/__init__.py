"""The history of the tables: Alembic revisions, run by `core.provision` as the owner role."""
