-- name:    engine_agents_end
-- purpose: calls of agents that have ended, and how; the row of a breaker that changed says so
-- params:  engine_id int8, ids int8[], attempts int4[], verdicts text[], took_ms int4[], most_failures int4, open_seconds int4
-- returns: many (change text)
-- flags:   write system
select agent_call_end(:engine_id, e.id, e.attempt, e.verdict, e.took_ms, :most_failures, :open_seconds) as change
from unnest(:ids, :attempts, :verdicts, :took_ms) as e (id, attempt, verdict, took_ms)
