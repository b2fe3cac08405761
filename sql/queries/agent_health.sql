-- name:    agent_health
-- purpose: what a look at an agent found; no change of the agent itself
-- params:  tenant_id int8, agent text, health json
-- returns: one (status int4, body json, version int8, error text)
-- flags:   write system
update agents a
set health = :health
where a.id = (select agent_id(:tenant_id, :agent))
returning 200 as status,
	json_build_object('id', a.id, 'agent_id', a.id, 'name', a.name, 'status', a.health ->> 'status',
		'checked_at', a.health -> 'checked_at', 'response_time_ms', a.health -> 'response_time_ms',
		'status_code', a.health -> 'status_code', 'url', a.health -> 'url', 'message', a.health -> 'message') as body,
	a.revision as version,
	null::text as error
