"""Alembic's entry: runs as the owner role, on the URL that `core.provision` hands over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from opsteward.core.db import SCHEMA, Base

engine = sa.create_engine(sa.make_url(context.config.attributes["url"]).set(drivername="postgresql+psycopg"))
with engine.connect() as connection:
    connection.execute(sa.text(f"create schema if not exists {SCHEMA}"))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        version_table_schema=SCHEMA,
        include_schemas=True,
        include_name=lambda name, kind, _: kind != "schema" or name == SCHEMA,
    )
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
