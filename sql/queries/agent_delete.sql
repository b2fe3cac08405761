-- name:    agent_delete
-- purpose: deletes an agent, unless a workflow that can run names it
-- params:  tenant_id int8, agent text, if_match int8?
-- returns: one (status int4, body json, location text, version int8, error text, detail text, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write slow
with found as materialized (
	select a.*, agent_uses_words(a.id, a.name) as uses
	from agents a
	where a.id = (select agent_id(:tenant_id, :agent))
	for update
), judged as materialized (
	select f.id,
		case
			when f.revision <> :if_match then 'PRECONDITION_FAILED'
			when f.uses is not null then 'AGENT_IN_USE'
		end as error
	from found f
), changed as (
	update agents a
	set revision = a.revision + 1,
		updated_at = now(),
		status = 'inactive',
		auth_type = 'none',
		auth_sealed = null,
		deleted_at = now()
	from judged j
	where a.id = j.id
		and j.error is null
	returning a.*
), answer as (
	select case when j.error is null then 200 end as status,
		case when j.error is null then agent_body(c) end as body,
		null as location,
		c.revision as version,
		j.error,
		case when j.error = 'AGENT_IN_USE' then format('Workflows use this agent: %s. Change them first.', f.uses) end as detail,
		'agent' as entity_type,
		j.id as entity_id,
		'deleted' as action,
		jsonb_build_object('name', f.name) as changes
	from judged j
	join found f on f.id = j.id
	left join changed c on true
)
