-- A call of a model has ended, with its reply or an error: what it took takes the place of what was reserved for it.
create or replace function opsteward.settle_model_call(tenant uuid, call jsonb, scopes text[], reply jsonb, content jsonb)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform 1 from opsteward.crew_spend p
    where p.tenant_id = tenant and p.scope = any(scopes) order by p.scope for update;
    update opsteward.crew_spend p
    set reserved_micros = p.reserved_micros - (call->>'micros')::bigint,
        spent_micros = p.spent_micros + (call->>'spent_micros')::bigint,
        reserved_tokens = p.reserved_tokens - (call->>'tokens')::bigint,
        tokens = p.tokens + (call->>'spent_tokens')::bigint, changed_at = clock_timestamp()
    where p.tenant_id = tenant and p.scope = any(scopes);
    update opsteward.crew_model_calls m
    set status = call->>'status', error = call->>'error', reply = settle_model_call.reply,
        content = settle_model_call.content, ended_at = clock_timestamp(),
        seconds = (call->>'seconds')::float8, cost_micros = m.cost_micros + (call->>'spent_micros')::bigint,
        input_tokens = m.input_tokens + (call->>'input_tokens')::bigint,
        output_tokens = m.output_tokens + (call->>'output_tokens')::bigint
    where m.tenant_id = tenant and m.id = (call->>'id')::uuid;
end $$;

grant execute on function opsteward.settle_model_call to :"app";
