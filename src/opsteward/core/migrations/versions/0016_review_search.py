"""Access reviews at size: counts that are kept, items found by what they are, decisions that remember earlier ones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from opsteward.core.migrations.tenancy import roles

revision = "0016"
down_revision = "0015"

_COUNTED = """
update opsteward.access_reviews r set items = n.items, undecided = n.undecided, revoked = n.revoked
from (select review_id, count(*) as items, count(*) filter (where decision is null) as undecided,
        count(*) filter (where decision = 'revoke') as revoked
    from opsteward.access_review_items group by review_id) n
where n.review_id = r.id
"""

#: What a decision took bears its instant: by that it is known when the decision is changed.
_SAME_INSTANT = """
update opsteward.access_review_items i set decided_at = g.granted_at
from opsteward.user_grants g
where i.decision = 'revoke' and g.denied and g.tenant_id = i.tenant_id and g.user_id = i.user_id and g.kind = i.kind
    and g.name = i.name and g.granted_by = i.decided_by
    and g.granted_at between i.decided_at and i.decided_at + interval '1 minute'
"""

_MATCHING = """
-- As find_users (0014) looks, but for the users of a review: whoever they are by now, in the order of their ids, from
-- one on, up to `most` (null: all).
create function opsteward.users_matching(part text, words text, beginning uuid, most int) returns setof uuid
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    with wanted as materialized (
        select '%' || regexp_replace(part, '([\\\\%_])', '\\\\\\1', 'g') || '%' as key,
            '%' || regexp_replace(lower(words), '([\\\\%_])', '\\\\\\1', 'g') || '%' as name
    )
    select id from opsteward.users
    where tenant_id = (select nullif(current_setting('opsteward.tenant', true), '')::uuid)
        and (search_key like (select key from wanted)
            or (select key <> name from wanted) and search_key like (select name from wanted))
        and (beginning is null or id >= beginning)
    order by id limit most
$$;
"""

_GRANTS = """
revoke execute on function opsteward.users_matching from public;
grant execute on function opsteward.users_matching to {app}, {web};
"""


def upgrade() -> None:
    """Runs as the owner. Rows are rewritten in the campaigns, and in items that were revoked."""
    for name in ("items", "undecided", "revoked"):
        count: sa.Column[int] = sa.Column(name, sa.Integer(), server_default="0", nullable=False)
        op.add_column("access_reviews", count, schema="opsteward")
    earlier: sa.Column[object] = sa.Column("earlier", JSONB(), server_default="[]", nullable=False)
    op.add_column("access_review_items", earlier, schema="opsteward")
    op.execute(_COUNTED)
    op.execute(_SAME_INSTANT)
    of_review = ["tenant_id", "review_id"]
    for index, columns in (
        ("ix_access_review_items_decision", ["decision", "user_id", "kind", "name"]),
        ("ix_access_review_items_name", ["name", "decision", "user_id", "kind"]),
    ):
        op.create_index(index, "access_review_items", [*of_review, *columns], unique=False, schema="opsteward")
    # One statement writes the items, with their campaign: to look it up for each of 300,000 took a fifth of the time.
    op.drop_constraint("fk_access_review_items_review_id", "access_review_items", schema="opsteward")
    op.execute(_MATCHING)
    op.execute(_GRANTS.format(**roles()))
