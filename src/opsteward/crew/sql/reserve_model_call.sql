-- Reserves the most that a call of a model may take in each of its scopes and writes the call down: no row. Or does
-- neither and says why: the scope whose ceiling it would pass and of what (micros, tokens), or the seconds after which
-- its agent may make a call again. The scopes' rows are locked in one order, so that calls together pass no ceiling.
create or replace function opsteward.reserve_model_call(tenant uuid, call jsonb, scopes jsonb)
returns table (scope text, over text, wait double precision)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    most_micros bigint := call->>'micros';
    most_tokens bigint := call->>'tokens';
    per_minute bigint := call->>'calls_per_minute';
    asked timestamptz;
    spend record;
    lately record;
begin
    insert into opsteward.crew_spend as p (id, tenant_id, scope, reserved_micros, spent_micros, reserved_tokens, tokens,
                                           calls, changed_at)
    select s.id, tenant, s.scope, 0, 0, 0, 0, 0, clock_timestamp()
    from jsonb_to_recordset(scopes) s(id uuid, scope text) order by s.scope
    on conflict do nothing;
    for spend in
        select p.scope, p.reserved_micros + p.spent_micros + most_micros > s.micros as over_micros,
               p.reserved_tokens + p.tokens + most_tokens > s.tokens as over_tokens
        from opsteward.crew_spend p
        join jsonb_to_recordset(scopes) s(scope text, micros bigint, tokens bigint) on s.scope = p.scope
        where p.tenant_id = tenant order by p.scope for update of p
    loop
        if spend.over_micros or spend.over_tokens then
            return query select spend.scope, case when spend.over_micros then 'micros' else 'tokens' end, null::float8;
            return;
        end if;
    end loop;
    asked := clock_timestamp();  -- whoever reserves for the same agent waits for our lock: none is counted twice
    select count(*) as made, min(c.started_at) as earliest into lately from (
        select m.started_at from opsteward.crew_model_calls m
        where m.tenant_id = tenant and m.agent = call->>'agent' and m.started_at > asked - interval '1 minute'
        order by m.started_at desc limit greatest(1, per_minute)) c;
    if lately.made >= per_minute then
        return query select null::text, null::text,
            coalesce(extract(epoch from lately.earliest + interval '1 minute' - asked)::float8, 60.0);
        return;
    end if;
    update opsteward.crew_spend p
    set reserved_micros = p.reserved_micros + most_micros, reserved_tokens = p.reserved_tokens + most_tokens,
        calls = p.calls + 1, changed_at = asked
    from jsonb_to_recordset(scopes) s(scope text) where p.tenant_id = tenant and p.scope = s.scope;
    -- One that was made before and never recorded, or failed: what it may have cost stays in the scopes and in its row.
    insert into opsteward.crew_model_calls as m (id, tenant_id, run_id, name, agent, model, status, reserved_micros,
                                                 cost_micros, input_tokens, output_tokens, started_at)
    values ((call->>'id')::uuid, tenant, (call->>'run_id')::uuid, call->>'name', call->>'agent', call->>'model',
            'reserved', most_micros, 0, 0, 0, asked)
    on conflict (tenant_id, run_id, name) do update
    set status = 'reserved', model = excluded.model, error = null, reserved_micros = excluded.reserved_micros,
        started_at = excluded.started_at, ended_at = null;
end $$;

grant execute on function opsteward.reserve_model_call to :"app";
