"""The SQL of what follows the rows of an import: managers, and in a full one those who are absent."""

from __future__ import annotations

import sqlalchemy as sa

#: Where `:head` are the 12 digits of the milliseconds: a time-ordered id (UUID version 7).
_ID = "cast(:head || '7' || substr(translate(gen_random_uuid()::text, '-', ''), 14) as uuid)"

BOSSES_TABLE = """create temp table if not exists import_bosses (
    row int, user_id uuid, outcome text, manager text, boss uuid, known boolean, was uuid) on commit delete rows"""

#: Which names in a directory the users of this import have: managers are found by them, now and in later imports.
KEEP_NAMES = sa.text("""
insert into opsteward.user_directory_names (tenant_id, dn_key, user_id)
select distinct on (r.dn_key) r.tenant_id, r.dn_key, r.user_id from opsteward.import_rows r
where r.tenant_id = :tenant and r.job_id = :job and r.dn_key is not null and not starts_with(r.dn_key, chr(3))
order by r.dn_key, r.row
on conflict (tenant_id, dn_key) do update set user_id = excluded.user_id
    where user_directory_names.user_id <> excluded.user_id
""")
BOSSES = sa.text("""
insert into pg_temp.import_bosses
select p.row, p.user_id, p.outcome, p.manager, coalesce(n.id, m.id, i.id, d.id, r.id, f.id, e.id),
       coalesce(n.id, m.id, i.id, d.id, r.id, f.id, e.id) is not null or (:dry and exists (
           select 1 from opsteward.import_rows k where k.tenant_id = :tenant and k.job_id = :job
               and (k.username_key = p.manager or k.email_key = p.manager or k.dn_key = p.dn or k.dn_key = p.number))),
       u.manager_id
from (
    select r.*, case when starts_with(r.manager, chr(2)) then substr(r.manager, 2) end as dn,
        case when not starts_with(r.manager, chr(2)) then chr(3) || ltrim(r.manager, chr(1)) end as number
    from opsteward.import_rows r
    where r.tenant_id = :tenant and r.job_id = :job and r.manager is not null
        and (cast(:after as uuid) is null or r.user_id > cast(:after as uuid))
    order by r.user_id limit :most
) p
left join lateral (select manager_id from opsteward.users x
    where x.tenant_id = :tenant and x.id = p.user_id limit 1) u on true
left join lateral (select id from opsteward.users x
    where x.tenant_id = :tenant and x.username_key = p.manager and x.holds_names limit 1) n on true
left join lateral (select id from opsteward.users x
    where x.tenant_id = :tenant and x.email_key = p.manager and x.holds_names limit 1) m on true
left join lateral (select id from opsteward.users x where x.tenant_id = :tenant
    and x.id = case when starts_with(p.manager, chr(1)) then cast(substr(p.manager, 2) as uuid) end limit 1) i on true
left join lateral (select x.user_id as id from opsteward.user_directory_names x
    where x.tenant_id = :tenant and x.dn_key = p.dn limit 1) d on true
-- a user of whom no directory's name is known is found by the one that its own export would give it
left join lateral (select x.id from opsteward.users x
    where x.tenant_id = :tenant and x.holds_names
        and x.username_key = substring(p.dn from '^(?\\:uid|samaccountname)=([^,+\\\\]+)(?\\:,|$)')
        and not exists (select from opsteward.user_directory_names y where y.tenant_id = :tenant and y.user_id = x.id)
    limit 1) r on true
-- numbers are the file's own; one that is in no row of it is a personnel number, if just one user here has it
left join lateral (select x.user_id as id from opsteward.import_rows x join opsteward.users y
    on y.tenant_id = :tenant and y.id = x.user_id
    where x.tenant_id = :tenant and x.job_id = :job and x.dn_key = p.number limit 1) f on true
left join lateral (select cast(min(cast(x.id as text)) as uuid) as id from opsteward.users x
    where x.tenant_id = :tenant and x.holds_names and x.external_id in (substr(p.number, 2), upper(substr(p.number, 2)))
    having count(*) = 1) e on true
""")
SEEN = sa.text("""
select count(*) as rows, max(user_id::text) as last,
       count(*) filter (where outcome = 'unchanged' and (boss is not null or manager = '')
                        and boss is distinct from user_id and was is distinct from boss) as changed
from pg_temp.import_bosses
""")
NOBODY = sa.text("""
select row, manager, boss from pg_temp.import_bosses
where (manager <> '' and not known) or boss = user_id order by row
""")
_TO_SET = """from pg_temp.import_bosses b
where u.tenant_id = :tenant and u.id = b.user_id and (b.boss is not null or b.manager = '')
    and b.boss is distinct from b.user_id and u.manager_id is distinct from b.boss"""
TOLD = sa.text(f"""
insert into opsteward.user_changes (id, tenant_id, user_id, at, actor, what, reason, fields, correlation_id)
select {_ID}, :tenant, u.id, :at, :actor, 'updated', 'import',
       jsonb_build_object('manager_id', jsonb_build_array(u.manager_id, b.boss)), :correlation
from opsteward.users u, pg_temp.import_bosses b
where b.outcome <> 'created' and {_TO_SET.partition("where ")[2]}
""")
SET_BOSSES = sa.text(f"""
update opsteward.users u set manager_id = b.boss, updated_at = :at,
    version = u.version + case when b.outcome = 'created' then 0 else 1 end
{_TO_SET}
""")
CHANGED = sa.text("""
update opsteward.import_rows r set outcome = 'changed' from pg_temp.import_bosses b
where r.tenant_id = :tenant and r.job_id = :job and r.user_id = b.user_id and b.outcome = 'unchanged'
    and (b.boss is not null or b.manager = '') and b.boss is distinct from b.user_id and b.was is distinct from b.boss
""")

_HERE = """u.tenant_id = :tenant and u.holds_names and u.status in ('active', 'pending', 'suspended')
    and u.created_at < :since"""
_ABSENT = """not exists (
    select 1 from opsteward.import_rows r where r.tenant_id = :tenant and r.job_id = :job and r.user_id = u.id)"""
#: All who could leave, and those of them who are not in the file. Who joined since the upload is neither.
ABSENT = sa.text(f"""
select count(*) as here, count(*) filter (where {_ABSENT}) as absent from opsteward.users u where {_HERE}
""")
ABSENT_SAMPLE = sa.text(f"""
select u.username from opsteward.users u where {_HERE} and {_ABSENT} order by u.username_key limit :most
""")
LEAVE = sa.text(f"""
with leaving as materialized (
    select u.id, u.status, u.permissions, u.system_access, u.deactivated_at from opsteward.users u
    where {_HERE} and {_ABSENT} order by u.id limit :most for update
), recorded as (
    insert into opsteward.user_changes (id, tenant_id, user_id, at, actor, what, reason, fields, correlation_id)
    select {_ID}, :tenant, l.id, :at, :actor, 'deactivated', 'absent from a full import',
        jsonb_build_object('status', jsonb_build_array(l.status, 'inactive'),
            'permissions', jsonb_build_array(to_jsonb(l.permissions), '[]'::jsonb),
            'system_access', jsonb_build_array(to_jsonb(l.system_access), '[]'::jsonb)), :correlation
    from leaving l
)
update opsteward.users u set status = 'inactive', permissions = '{{}}', system_access = '{{}}', updated_at = :at,
    deactivated_at = coalesce(u.deactivated_at, :at), version = u.version + 1
from leaving l where u.tenant_id = :tenant and u.id = l.id
""")
