-- name:    engine_agent_turns
-- purpose: what one engine asks of agents and gives back, all at a time; with what a call needs where there is a turn
-- params:  engine_id int8, ids int8[], attempts int4[], tenant_ids int8[], run_ids int8[], refs text[], requirements text[], ended_ids int8[], ended_attempts int4[], verdicts text[], took_ms int4[], most_failures int4, open_ms int4, wait_ms int4
-- returns: many (id int8, attempt int4, verdict text, agent_id int8, name text, url text, auth_type text, auth_sealed bytea, timeout_ms int4, retry json)
-- flags:   write system
-- refs: a name or an id, or empty: then requirements has the capabilities, as an array is written.
select t.execution as id, t.tried as attempt, t.verdict, t.agent as agent_id, a.name, a.url, a.auth_type, a.auth_sealed, a.timeout_ms,
	case when a.retry_config is not null then agent_retry(a.retry_config) end as retry
from agent_turns(:engine_id, :ids, :attempts, :tenant_ids, :run_ids, :refs, :requirements, :ended_ids, :ended_attempts,
	:verdicts, :took_ms, :most_failures, :open_ms, :wait_ms) t
left join agents a on a.id = t.agent
