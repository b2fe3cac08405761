-- name:    metrics_figures
-- purpose: figures for the operator's /metrics: counts by tenant, and the engines' counters
-- params:
-- returns: one (body json)
-- flags:   read slow
select (metrics_figures()::jsonb || jsonb_build_object('agents', agent_figures()))::json as body
