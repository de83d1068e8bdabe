"""The SQL of imports: a batch goes from staging into the tables set by set. What calls it is in `writing`."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

#: A plan that was made while the tables were small is none for when they are large. Tells whether staging is there.
PLAN_ANEW = sa.text("""
select set_config('plan_cache_mode', 'force_custom_plan', true), to_regclass('pg_temp.import_moved') is not null
""")

#: Staging lives in the session, without WAL, row-level security or a trace after the transaction. Read as a whole,
#: it has no index.
STAGING = sa.text("""
do $$ begin
create temp table import_stage (
    row int, id uuid, other_id uuid, username text, username_key text, email text, email_key text, full_name text,
    role text, lookalike_key text, department text, external_id text, profile_data jsonb, tags text[],
    expires_at timestamptz, manager text, rule int, given int, status text) on commit delete rows;
create temp table import_rules (
    no int, type text, automatic boolean, stages jsonb, due interval, permissions text[], systems text[],
    lasts interval) on commit delete rows;
create temp table import_match (
    row int, user_id uuid, status text, manager_id uuid, seen int, differs boolean, moves boolean,
    refused text) on commit delete rows;
create temp table import_moved (row int, permissions text[], systems text[], status text) on commit delete rows;
end $$
""")
COPY = "copy pg_temp.import_stage from stdin"

RULES = sa.text("""
insert into pg_temp.import_rules
select r.no, r.type, r.automatic, r.stages, make_interval(secs => r.escalate_after), r.permissions, r.systems,
       make_interval(days => r.access_days)
from jsonb_to_recordset(:rules) as r(no int, type text, automatic boolean, stages jsonb,
    escalate_after double precision, permissions text[], systems text[], access_days int)
""").bindparams(sa.bindparam("rules", type_=JSONB))

#: Who is there already, and whether anything of them differs; they are noted as met by this import, unless it has
#: met them before (`met` is less than `matched` then). Tells what of the rest there is anything to do for.
MATCH = sa.text("""
with found as materialized (
    select s.row, u.id, u.status, u.manager_id, s.manager,
       s.username <> u.username or s.email is distinct from u.email or s.full_name <> u.full_name
       or (s.given & 1 > 0 and s.role <> u.role)
       or (s.given & 2 > 0 and s.department is distinct from u.department)
       or (s.given & 4 > 0 and s.external_id is distinct from u.external_id)
       or (s.given & 8 > 0 and s.profile_data <> u.profile_data)
       or (s.given & 16 > 0 and s.tags <> u.tags)
       or (s.given & 32 > 0 and s.expires_at is distinct from u.expires_at)
       or (s.status = 'inactive' and u.status in ('active', 'pending', 'suspended'))
       or (s.status = 'suspended' and u.status = 'active') as differs,
       s.given & 1 > 0 and s.role <> u.role as moves
    from pg_temp.import_stage s
    cross join lateral (
        select * from opsteward.users x
        where x.tenant_id = :tenant and x.username_key = s.username_key and x.holds_names limit 1
    ) u
), met as (
    insert into opsteward.import_rows (tenant_id, job_id, user_id, row, outcome, manager)
    select :tenant, :job, f.id, f.row, case when f.differs then 'changed' else 'unchanged' end,
        case when f.manager <> '' or f.manager_id is not null then f.manager end
    from found f on conflict do nothing returning row
), matched as (
    insert into pg_temp.import_match (row, user_id, status, manager_id, differs, moves)
    select row, id, status, manager_id, differs, moves from found
)
select count(*) as matched, (select count(*) from met) as met, count(*) filter (where differs) as differ,
       count(*) filter (where moves) as move, count(*) filter (where status in ('inactive', 'archived')) as gone,
       exists (select from pg_temp.import_stage where status is not null) as told_status
from found
""")
#: Which of them it has met before, and in which row: 0 for one that was refused.
MET_BEFORE = sa.text("""
update pg_temp.import_match m set refused = 'seen', seen = r.row from opsteward.import_rows r
where r.tenant_id = :tenant and r.job_id = :job and r.user_id = m.user_id and r.row <> m.row
""")

#: Another user has the address that a matched one would get.
ADDRESS_TAKEN = sa.text("""
update pg_temp.import_match m set refused = 'email'
from pg_temp.import_stage s
where s.row = m.row and m.differs and m.refused is null and m.user_id <> (
    select o.id from opsteward.users o
    where o.tenant_id = :tenant and o.email_key = s.email_key and o.holds_names limit 1)
""")

#: What movers have from now on: by the new role's rule what it gives at once, else what both give; and their grants.
#: What a review took from them in the former role says nothing of the next one.
MOVED = sa.text("""
with granted as (
    select m.row, array_agg(g.name) filter (where g.kind = 'permission') as permissions,
           array_agg(g.name) filter (where g.kind <> 'permission') as systems
    from pg_temp.import_match m
    join opsteward.user_grants g on g.tenant_id = :tenant and g.user_id = m.user_id and g.revoked_at is null
        and not g.denied and (g.expires_at is null or g.expires_at > :at)
    where m.moves and m.refused is null group by m.row
), next as (
    select m.row, u.permissions as had, u.system_access as reached, r.automatic, r.permissions, r.systems,
           g.permissions as more, g.systems as further,
           case when s.status = 'inactive' and u.status in ('active', 'pending', 'suspended') then 'inactive'
                when s.status = 'suspended' and u.status = 'active' then 'suspended'
                when r.automatic and u.status = 'pending' then 'active' else u.status end as status
    from pg_temp.import_match m
    join pg_temp.import_stage s on s.row = m.row
    join pg_temp.import_rules r on r.no = s.rule
    cross join lateral (select * from opsteward.users x where x.tenant_id = :tenant and x.id = m.user_id limit 1) u
    left join granted g on g.row = m.row
    where m.moves and m.refused is null
)
insert into pg_temp.import_moved
select row,
    case when status <> 'active' then '{}' else array(
        select p from unnest(permissions) as p where automatic or p = any(had)
        union select unnest(more) order by 1) end,
    case when status <> 'active' then '{}' else array(
        select p from unnest(systems) as p where automatic or p = any(reached)
        union select unnest(further) order by 1) end,
    status
from next
""")

DUTIES_MEET = sa.text("""
update pg_temp.import_match m set refused = d.first || ' and ' || d.second
from pg_temp.import_moved v, opsteward.duty_conflicts d
where v.row = m.row and d.tenant_id = :tenant and d.first = any(v.permissions) and d.second = any(v.permissions)
""")

_DIFFERENT = """
select m.row, m.user_id, m.moves, s.other_id, s.username, s.username_key, s.email, s.email_key, s.full_name,
    case when s.given & 1 > 0 then s.role else u.role end as role,
    case when s.given & 2 > 0 then s.department else u.department end as department,
    case when s.given & 4 > 0 then s.external_id else u.external_id end as external_id,
    case when s.given & 8 > 0 then s.profile_data else u.profile_data end as profile_data,
    case when s.given & 16 > 0 then s.tags else u.tags end as tags,
    case when s.given & 32 > 0 then s.expires_at else u.expires_at end as expires_at,
    coalesce(v.permissions, case when s.status in ('inactive', 'suspended') and u.status in ('active', 'pending')
        then '{}' else u.permissions end) as permissions,
    coalesce(v.systems, case when s.status in ('inactive', 'suspended') and u.status in ('active', 'pending')
        then '{}' else u.system_access end) as system_access,
    coalesce(v.status, case when s.status = 'inactive' and u.status in ('active', 'pending', 'suspended')
        then 'inactive' when s.status = 'suspended' and u.status = 'active' then 'suspended'
        else u.status end) as status,
    to_jsonb(u) as before
from pg_temp.import_match m
join pg_temp.import_stage s on s.row = m.row
cross join lateral (select * from opsteward.users x where x.tenant_id = :tenant and x.id = m.user_id limit 1) u
left join pg_temp.import_moved v on v.row = m.row
where m.differs and m.refused is null
"""
#: What a change may show, each as [before, after].
_SHOWN = (
    "username", "email", "full_name", "role", "department", "external_id", "profile_data", "tags", "expires_at",
    "permissions", "system_access", "status",
)  # fmt: skip
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
    full_name = d.full_name, role = d.role, department = d.department, external_id = d.external_id,
    profile_data = d.profile_data, tags = d.tags, expires_at = d.expires_at, permissions = d.permissions,
    system_access = d.system_access, status = d.status, version = u.version + 1, updated_at = :at,
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

_STATUS = """case when s.status in ('inactive', 'suspended', 'archived') then s.status
    when r.automatic then 'active' else 'pending' end"""
#: New users with their enrolments, if none of them is there.
_CREATE = f"""
with fresh as materialized (
    select s.*, r.automatic, r.permissions, r.systems, r.lasts, {_STATUS} as standing
    from pg_temp.import_stage s join pg_temp.import_rules r on r.no = s.rule
    where not exists (select 1 from pg_temp.import_match m where m.row = s.row)
),
added as (
    insert into opsteward.users (id, tenant_id, username, username_key, lookalike_key, email, email_key, full_name,
        status, role, department, external_id, permissions, system_access, profile_data, tags, source,
        created_by, created_at, updated_at, deactivated_at, expires_at)
    select f.id, :tenant, f.username, f.username_key, f.lookalike_key, f.email, f.email_key, f.full_name,
        f.standing, f.role, f.department, f.external_id,
        case when f.standing = 'active' then f.permissions else '{{}}' end,
        case when f.standing = 'active' then f.systems else '{{}}' end, f.profile_data, f.tags, 'import', :actor,
        :at, :at, case when f.standing in ('inactive', 'archived') then cast(:at as timestamptz) end,
        coalesce(f.expires_at, case when f.automatic then cast(:at as timestamptz) + f.lasts end)
    from fresh f order by f.username_key {{taken}} returning id
),
met as (
    insert into opsteward.import_rows (tenant_id, job_id, user_id, row, outcome, manager)
    select :tenant, :job, f.id, f.row, 'created', nullif(f.manager, '') from fresh f join added a on a.id = f.id
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
    where x.tenant_id = :tenant and x.email_key = s.email_key and x.holds_names limit 1) o on true
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
insert into opsteward.import_rows (tenant_id, job_id, user_id, row, outcome, manager, username_key, email_key)
select :tenant, :job, s.id, s.row, 'created', nullif(s.manager, ''), s.username_key, s.email_key
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
where r.automatic and (s.status is null or s.status in ('active', 'pending')) and s.row <> all(:refused)
    and not exists (select 1 from pg_temp.import_match m where m.row = s.row)
group by r.no
""")

PROBLEMS = sa.text("""
insert into opsteward.import_problems (id, tenant_id, job_id, row, line, kind, field, reason, value)
select p.id, :tenant, :job, p.row, p.line, p.kind, p.field, p.reason, p.value
from jsonb_to_recordset(:problems) as p(id uuid, row int, line int, kind text, field text, reason text, value text)
""").bindparams(sa.bindparam("problems", type_=JSONB))
