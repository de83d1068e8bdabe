"""The SQL of imports: a batch goes from staging into the tables set by set. What calls it is in `writing`."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from opsteward.directory.user_fields import GIVEN, STORED

#: A plan that was made while the tables were small is none for when they are large. Tells whether staging is there.
PLAN_ANEW = sa.text("""
select set_config('plan_cache_mode', 'force_custom_plan', true), to_regclass('pg_temp.import_moved') is not null
""")

#: Columns of a staged row, in the order of its line; the fields of the table that have columns of their own come last.
STAGED = {
    "row": "int", "id": "uuid", "other_id": "uuid", "username": "text", "username_key": "text", "email": "text",
    "email_key": "text", "full_name": "text", "lookalike_key": "text", "dn_key": "text", "manager": "text",
    "rule": "int", "given": "int", "status": "text", **{field.name: field.stored for _, field in STORED},
}  # fmt: skip
#: Staging lives in the session, without WAL, row-level security or a trace after the transaction. Read as a whole,
#: it has no index.
STAGING = sa.text(f"""
do $$ begin
create temp table import_stage ({", ".join(f"{name} {kind}" for name, kind in STAGED.items())}) on commit delete rows;
create temp table import_rules (
    no int, type text, automatic boolean, stages jsonb, due interval, standing text, permissions text[],
    systems text[], lasts interval) on commit delete rows;
create temp table import_match (
    row int, user_id uuid, status text, manager_id uuid, seen int, differs boolean, moves boolean, takes boolean,
    refused text) on commit delete rows;
create temp table import_moved (row int, permissions text[], systems text[], status text) on commit delete rows;
end $$
""")
COPY = "copy pg_temp.import_stage from stdin"

RULES = sa.text("""
insert into pg_temp.import_rules
select r.no, r.type, r.automatic, r.stages, make_interval(secs => r.escalate_after), r.standing, r.permissions,
       r.systems, make_interval(days => r.access_days)
from jsonb_to_recordset(:rules) as r(no int, type text, automatic boolean, stages jsonb,
    escalate_after double precision, standing text, permissions text[], systems text[], access_days int)
""").bindparams(sa.bindparam("rules", type_=JSONB))

_TAKES = """(s.status = 'inactive' and u.status in ('active', 'pending', 'suspended'))
       or (s.status = 'suspended' and u.status = 'active')"""
_DIFFERS = "\n       or ".join(
    f"(s.given & {bit} > 0 and s.{field.name} is distinct from u.{field.name})" for bit, field in STORED
)
#: Who is there already, and whether anything of them differs; they are noted as met by this import, unless it has
#: met them before (`met` is less than `matched` then). Tells what of the rest there is anything to do for.
MATCH = sa.text(f"""
with found as materialized (
    select s.row, u.id, u.status, u.manager_id, s.manager, s.dn_key,
       s.username <> u.username or s.email is distinct from u.email or s.full_name <> u.full_name
       or {_DIFFERS}
       or {_TAKES} as differs,
       s.given & {GIVEN["role"]} > 0 and s.role <> u.role as moves, coalesce({_TAKES}, false) as takes
    from pg_temp.import_stage s
    cross join lateral (
        select * from opsteward.users x
        where x.tenant_id = :tenant and x.username_key = s.username_key and x.holds_names limit 1
    ) u
), met as (
    insert into opsteward.import_rows (tenant_id, job_id, user_id, row, outcome, manager, dn_key)
    select :tenant, :job, f.id, f.row, case when f.differs then 'changed' else 'unchanged' end,
        case when f.manager <> '' or f.manager_id is not null then f.manager end, f.dn_key
    from found f on conflict do nothing returning row
), matched as (
    insert into pg_temp.import_match (row, user_id, status, manager_id, differs, moves, takes)
    select row, id, status, manager_id, differs, moves, takes from found
)
select count(*) as matched, (select count(*) from met) as met, count(*) filter (where differs) as differ,
       count(*) filter (where moves or takes) as move,
       count(*) filter (where status in ('inactive', 'archived')) as gone,
       exists (select from pg_temp.import_stage where status is not null) as told_status
from found
""")
#: Which of them it has met before, and in which row: 0 for one that was refused.
MET_BEFORE = sa.text("""
update pg_temp.import_match m set refused = 'seen', seen = r.row from opsteward.import_rows r
where r.tenant_id = :tenant and r.job_id = :job and r.user_id = m.user_id and r.row <> m.row
""")
#: Whether one of them is a row behind it.
MET_TOO_EARLY = sa.text("select exists (select from pg_temp.import_match where seen > row)")

#: Another user has the address that a matched one would get.
ADDRESS_TAKEN = sa.text("""
update pg_temp.import_match m set refused = 'email'
from pg_temp.import_stage s
where s.row = m.row and m.differs and m.refused is null and m.user_id <> (
    select o.id from opsteward.users o
    where o.tenant_id = :tenant and o.email_key = s.email_key and o.holds_names
        and o.status in ('active', 'pending', 'suspended')
        and coalesce(s.status, m.status) in ('active', 'pending', 'suspended') limit 1)
""")

#: Whose access is worked out anew, and from what: by a new role, or by a status that takes it. What a review took from
#: them in the former role says nothing of the next one.
MOVING = sa.text("""
select m.row, m.moves, m.status, s.status as said, s.rule, u.permissions, u.system_access, g.grants
from pg_temp.import_match m
join pg_temp.import_stage s on s.row = m.row
cross join lateral (select * from opsteward.users x where x.tenant_id = :tenant and x.id = m.user_id limit 1) u
left join lateral (
    select array_agg(array[x.kind, x.name]) as grants from opsteward.user_grants x
    where x.tenant_id = :tenant and x.user_id = m.user_id and x.revoked_at is null and not x.denied
        and (x.expires_at is null or x.expires_at > :at)
) g on true
where (m.moves or m.takes) and m.refused is null
""")
MOVED = sa.text("""
insert into pg_temp.import_moved
select r.row, r.permissions, r.systems, r.status
from jsonb_to_recordset(:moved) as r(row int, permissions text[], systems text[], status text)
""").bindparams(sa.bindparam("moved", type_=JSONB))
REFUSE = sa.text("""
update pg_temp.import_match m set refused = r.refused
from jsonb_to_recordset(:refused) as r(row int, refused text) where r.row = m.row
""").bindparams(sa.bindparam("refused", type_=JSONB))

_STORED_NAMES = tuple(field.name for _, field in STORED)
_DIFFERENT = f"""
select m.row, m.user_id, m.moves, s.other_id, s.username, s.username_key, s.email, s.email_key, s.full_name,
    {
    ", ".join(
        f"case when s.given & {bit} > 0 then s.{field.name} else u.{field.name} end as {field.name}"
        for bit, field in STORED
    )
},
    coalesce(v.permissions, u.permissions) as permissions, coalesce(v.systems, u.system_access) as system_access,
    coalesce(v.status, u.status) as status, to_jsonb(u) as before
from pg_temp.import_match m
join pg_temp.import_stage s on s.row = m.row
cross join lateral (select * from opsteward.users x where x.tenant_id = :tenant and x.id = m.user_id limit 1) u
left join pg_temp.import_moved v on v.row = m.row
where m.differs and m.refused is null
"""
#: What a change may show, each as [before, after].
_SHOWN = ("username", "email", "full_name", *_STORED_NAMES, "permissions", "system_access", "status")
_FIELDS = " || ".join(
    f"case when before->'{name}' is distinct from coalesce(to_jsonb(d.{name}), 'null') then"
    f" jsonb_build_object('{name}', jsonb_build_array(before->'{name}', to_jsonb(d.{name}))) else '{{}}' end"
    for name in _SHOWN
)

CHANGE = sa.text(f"""
with d as materialized ({_DIFFERENT}),
history as (
    insert into opsteward.user_changes (id, tenant_id, user_id, at, actor, what, reason, fields, correlation_id)
    select d.other_id, :tenant, d.user_id, :at, :actor, case when d.moves then 'moved' else 'updated' end,
           'import', {_FIELDS}, :correlation from d
)
update opsteward.users u set
    username = d.username, username_key = d.username_key, email = d.email, email_key = d.email_key,
    full_name = d.full_name, {", ".join(f"{name} = d.{name}" for name in _STORED_NAMES)},
    permissions = d.permissions, system_access = d.system_access, status = d.status, version = u.version + 1,
    updated_at = :at,
    deactivated_at = case when d.status = 'inactive' then coalesce(u.deactivated_at, :at) else u.deactivated_at end
from d where u.tenant_id = :tenant and u.id = d.user_id
""")

DIFFERENCES = sa.text(f"""
with d as materialized ({_DIFFERENT} order by m.row limit :most)
select d.row, d.username, {_FIELDS} as fields from d order by d.row
""")

#: A mover's former requests wait for nothing any more; the new role is a request of its own.
EXPIRE_ENROLLMENTS = sa.text("""
update opsteward.enrollments e set status = 'expired', decided_at = :at, due_at = null, reason = 'the user moved on'
from pg_temp.import_match m
where m.moves and m.differs and m.refused is null and e.tenant_id = :tenant and e.user_id = m.user_id
    and e.status = 'pending_manual_review'
""")
DROP_DENIALS = sa.text("""
update opsteward.user_grants g set revoked_at = :at from pg_temp.import_match m
where m.moves and m.differs and m.refused is null and g.tenant_id = :tenant and g.user_id = m.user_id
    and g.denied and g.revoked_at is null
""")
_ENROLLMENT = """
insert into opsteward.enrollments (id, tenant_id, user_id, enrollment_type, status, automatic, stages, stage,
    requested_by, requested_at, decided_at, approver, due_at)
select {id}, :tenant, {user_id}, r.type, case when r.automatic then 'approved' else 'pending_manual_review' end,
    r.automatic, r.stages, 0, :actor, :at, case when r.automatic then :at end,
    case when r.automatic then 'rules' end, cast(:at as timestamptz) + r.due
"""
ENROL_MOVED = sa.text(
    _ENROLLMENT.format(id="gen_random_uuid()", user_id="m.user_id")
    + """from pg_temp.import_match m join pg_temp.import_stage s on s.row = m.row
join pg_temp.import_rules r on r.no = s.rule
where m.moves and m.differs and m.refused is null"""
)

_NEW = (
    "id", "username", "username_key", "lookalike_key", "email", "email_key", "full_name",
    *(name for name in _STORED_NAMES if name != "expires_at"), "permissions",
)  # fmt: skip
#: New users with their enrolments, if none of them is there.
_CREATE = f"""
with fresh as materialized (
    select s.*, r.automatic, r.permissions, r.systems, r.lasts, r.standing
    from pg_temp.import_stage s join pg_temp.import_rules r on r.no = s.rule
    where not exists (select 1 from pg_temp.import_match m where m.row = s.row)
),
added as (
    insert into opsteward.users (tenant_id, {", ".join(_NEW)}, system_access, status, source, created_by, created_at,
        updated_at, deactivated_at, expires_at)
    select :tenant, {", ".join(f"f.{name}" for name in _NEW)}, f.systems, f.standing, 'import', :actor, :at, :at,
        case when f.standing in ('inactive', 'archived') then cast(:at as timestamptz) end,
        coalesce(f.expires_at, case when f.automatic then cast(:at as timestamptz) + f.lasts end)
    from fresh f order by f.username_key {{taken}} returning id
),
met as (
    insert into opsteward.import_rows (tenant_id, job_id, user_id, row, outcome, manager, dn_key)
    select :tenant, :job, f.id, f.row, 'created', nullif(f.manager, ''), f.dn_key
    from fresh f join added a on a.id = f.id
)
{_ENROLLMENT.format(id="f.other_id", user_id="f.id")}
from fresh f join added a on a.id = f.id join pg_temp.import_rules r on r.no = f.rule
"""
CREATE = sa.text(_CREATE.replace("{taken}", ""))
#: The same, slower: who is taken meanwhile, or already, is left out and looked at afterwards.
CREATE_FREE = sa.text(_CREATE.replace("{taken}", "on conflict do nothing"))

#: Who is in the file by name, though the row was refused: not absent.
MEET_REFUSED = sa.text("""
insert into opsteward.import_rows (tenant_id, job_id, user_id, row, outcome)
select :tenant, :job, u.id, 0, 'refused' from unnest(cast(:keys as text[])) as k
join opsteward.users u on u.tenant_id = :tenant and u.username_key = k and u.holds_names
on conflict do nothing
""")

#: Of each staged row that is not matched: who has its name or its address, and in which row of this import they were.
TAKEN = sa.text("""
select s.row, s.username, s.email, u.id is not null as name_taken, o.id is not null as address_taken,
       coalesce(by_name.row, by_key.row) as name_row, coalesce(by_address.row, by_mail.row) as address_row
from pg_temp.import_stage s
left join lateral (select id from opsteward.users x
    where x.tenant_id = :tenant and x.username_key = s.username_key and x.holds_names limit 1) u on true
left join lateral (select id from opsteward.users x
    where x.tenant_id = :tenant and x.email_key = s.email_key and x.holds_names
        and x.status in ('active', 'pending', 'suspended') and s.status is distinct from 'inactive' limit 1) o on true
left join lateral (select row from opsteward.import_rows x where x.tenant_id = :tenant and x.job_id = :job
    and x.user_id = u.id and x.outcome <> 'refused' limit 1) by_name on true
left join lateral (select row from opsteward.import_rows x where x.tenant_id = :tenant and x.job_id = :job
    and x.user_id = o.id and x.outcome <> 'refused' limit 1) by_address on true
left join lateral (select row from opsteward.import_rows x where x.tenant_id = :tenant and x.job_id = :job
    and x.username_key = s.username_key limit 1) by_key on true
left join lateral (select row from opsteward.import_rows x where x.tenant_id = :tenant and x.job_id = :job
    and x.email_key = s.email_key limit 1) by_mail on true
where not exists (select 1 from pg_temp.import_match m where m.row = s.row)
    and (o.id is null or o.id <> s.id) and (u.id is null or u.id <> s.id)
    and (u.id is not null or o.id is not null or by_key.row is not null or by_mail.row is not null)
order by s.row
""")

REFUSED = sa.text("""
select m.row, m.refused, m.seen, s.username, s.email from pg_temp.import_match m
join pg_temp.import_stage s on s.row = m.row where m.refused is not null order by m.row
""")

#: Matched ones whose standing the file does not change, though it seems to say another.
STANDING = sa.text("""
select m.row, s.username, m.status from pg_temp.import_match m join pg_temp.import_stage s on s.row = m.row
where m.refused is null and (
    (s.status is null and m.status in ('inactive', 'archived'))
    or (s.status = 'active' and m.status not in ('active', 'pending'))
    or (s.status = 'suspended' and m.status not in ('active', 'suspended'))
    or (s.status = 'inactive' and m.status = 'archived')
    or (s.status = 'archived' and m.status <> 'archived')
    or (s.status = 'pending' and m.status <> 'pending'))
order by m.row
""")

#: In a dry run: who would be added, kept by their keys for the batches after this one.
WOULD_ADD = sa.text("""
insert into opsteward.import_rows (tenant_id, job_id, user_id, row, outcome, manager, username_key, email_key, dn_key)
select :tenant, :job, s.id, s.row, 'created', nullif(s.manager, ''), s.username_key, s.email_key, s.dn_key
from pg_temp.import_stage s
where s.row <> all(:taken) and not exists (select 1 from pg_temp.import_match m where m.row = s.row)
""")

#: Whether any name can be mistaken for another at all: mostly none can. The order makes it ask the index.
LOOKALIKES = sa.text("""
select exists (select from pg_temp.import_stage where lookalike_key is not null)
    or (select lookalike_key from opsteward.users where tenant_id = :tenant and lookalike_key is not null
        order by lookalike_key limit 1) is not null
""")
_MISTAKEN = """
select s.row, s.id, s.username, o.id as other_id, o.username as other from pg_temp.import_stage s
cross join lateral (
    select id, username from opsteward.users x
    where x.tenant_id = :tenant and x.holds_names and x.username_key <> s.username_key and x.id < s.id
        and (x.lookalike_key = coalesce(s.lookalike_key, s.username_key) or x.username_key = s.lookalike_key)
    order by x.id limit 1
) o
where s.row <> all(:refused) and not exists (select 1 from pg_temp.import_match m where m.row = s.row)
"""
#: New users whose usernames can be mistaken for those of users before them.
MISTAKEN = sa.text(f"{_MISTAKEN} order by s.row")
FLAG_MISTAKEN = sa.text(f"""
update opsteward.users u set looks_like = f.other_id from ({_MISTAKEN}) f where u.tenant_id = :tenant and u.id = f.id
""")

LET_IN = sa.text("""
select r.no, array_agg(s.id order by s.row) as ids from pg_temp.import_stage s
join pg_temp.import_rules r on r.no = s.rule
where r.standing = 'active' and s.row <> all(:refused)
    and not exists (select 1 from pg_temp.import_match m where m.row = s.row)
group by r.no
""")

PROBLEMS = sa.text("""
insert into opsteward.import_problems (id, tenant_id, job_id, row, line, kind, field, reason, value)
select p.id, :tenant, :job, p.row, p.line, p.kind, p.field, p.reason, p.value
from jsonb_to_recordset(:problems) as p(id uuid, row int, line int, kind text, field text, reason text, value text)
""").bindparams(sa.bindparam("problems", type_=JSONB))
