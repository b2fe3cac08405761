-- name:    engine_agents_ask
-- purpose: asks for turns at agents, and gets what a call needs where there is one
-- params:  engine_id int8, ids int8[], attempts int4[], tenant_ids int8[], run_ids int8[], refs text[], requirements text[]
-- returns: many (id int8, attempt int4, verdict text, agent_id int8, name text, url text, auth_type text, auth_sealed bytea, timeout_ms int4, retry json)
-- flags:   write system
-- refs: a name or an id, or empty: then requirements has the capabilities, as an array is written.
select q.id, q.attempt, v.verdict, a.id as agent_id, a.name, a.url, a.auth_type, a.auth_sealed, a.timeout_ms,
	case when a.retry_config is not null then agent_retry(a.retry_config) end as retry
from (
	select u.*, agent_pick(u.tenant_id, nullif(u.ref, ''), u.required::text[]) as picked
	from unnest(:ids, :attempts, :tenant_ids, :run_ids, :refs, :requirements) as u (id, attempt, tenant_id, run_id, ref, required)
) q
cross join lateral agent_call_ask(:engine_id, q.id, q.attempt, q.tenant_id, q.run_id, q.picked) v
left join agents a on a.id = q.picked
order by q.id, q.attempt
