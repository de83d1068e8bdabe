"""The history of the tables: Alembic revisions, run by `core.provision` as the owner role.

Database functions are no part of it: they stand in the folders `sql/` beside their tables' models.
"""
