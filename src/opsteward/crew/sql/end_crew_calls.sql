-- A piece of the crew's work of the own tenant is over: what its calls of models took, whose replies are forgotten.
create or replace function opsteward.end_crew_calls(run uuid)
returns table (micros bigint, tokens bigint, calls bigint)
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with ended as (
        update opsteward.crew_model_calls c set reply = null
        where c.tenant_id = nullif(current_setting('opsteward.tenant', true), '')::uuid and c.run_id = run
        returning c.cost_micros, c.input_tokens + c.output_tokens as tokens)
    select coalesce(sum(cost_micros), 0)::bigint, coalesce(sum(tokens), 0)::bigint, count(*) from ended
$$;

grant execute on function opsteward.end_crew_calls to :"app", :"web";
