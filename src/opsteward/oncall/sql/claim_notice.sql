-- Begin a notice that waits, once: nobody else gets it afterwards. What is needed to send it. Its buttons are left out
-- where no Slack app is connected that would tell of a press.
create or replace function opsteward.claim_notice(notice uuid)
returns table (tenant_id uuid, route_id uuid, route text, urls_sealed bytea, kind text, incident_ids uuid[], title text,
    body text, severity text, buttons jsonb)
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
    with begun as (
        update opsteward.notices n set status = 'sending', begun_at = now()
        where n.id = notice and n.status = 'queued'
        returning n.tenant_id, n.route_id, n.kind, n.incident_ids, n.title, n.body, n.severity, n.buttons
    )
    select b.tenant_id, r.id, r.name, r.urls_sealed, b.kind, b.incident_ids, b.title, b.body, b.severity,
        case when opsteward.slack_is_connected(b.tenant_id) then b.buttons else '[]' end
    from begun b join opsteward.notification_routes r on r.tenant_id = b.tenant_id and r.id = b.route_id
$$;

grant execute on function opsteward.claim_notice to :"app";
