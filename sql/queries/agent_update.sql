-- name:    agent_update
-- purpose: changes an agent; what it is authorised by comes sealed
-- params:  tenant_id int8, agent text, if_match int8?, given text[], name text?, url text?, description text?, capabilities text[]?, auth_type text?, auth_sealed bytea?, timeout_ms int4?, retry_config json?, max_concurrency int4?, health_url text?, status text?
-- returns: one (status int4, body json, location text, version int8, error text, detail text, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
-- given: which members the request has; the body itself, with what is secret in it, doesn't come here.
-- One that workflows call by its name keeps that name.
with found as materialized (
	select a.*, case when :name <> a.name then agent_uses_words(-1, a.name) end as named_by
	from agents a
	where a.id = (select agent_id(:tenant_id, :agent))
	for update
), judged as materialized (
	select f.id,
		case
			when f.revision <> :if_match then 'PRECONDITION_FAILED'
			when f.named_by is not null then 'AGENT_IN_USE'
		end as error
	from found f
), changed as (
	update agents a
	set revision = a.revision + 1,
		updated_at = now(),
		name = coalesce(:name, a.name),
		url = coalesce(:url, a.url),
		description = case when 'description' = any (:given) then :description else a.description end,
		capabilities = case when 'capabilities' = any (:given) then coalesce(:capabilities, '{}') else a.capabilities end,
		auth_type = coalesce(:auth_type, a.auth_type),
		auth_sealed = case when :auth_type = 'none' then null else coalesce(:auth_sealed, a.auth_sealed) end,
		timeout_ms = case when 'timeout_ms' = any (:given) then coalesce(:timeout_ms, 30000) else a.timeout_ms end,
		retry_config = case when 'retry_config' = any (:given) then :retry_config else a.retry_config end,
		max_concurrency = case when 'max_concurrency' = any (:given) then :max_concurrency else a.max_concurrency end,
		health_url = case when 'health_url' = any (:given) then :health_url else a.health_url end,
		status = coalesce(:status, a.status)
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
		case when j.error = 'AGENT_IN_USE' then format('Workflows call this agent by its name: %s. Change them first.', f.named_by) end as detail,
		'agent' as entity_type,
		j.id as entity_id,
		'updated' as action,
		case when j.error is null then agent_changes(c, :auth_sealed is not null) end as changes
	from judged j
	join found f on f.id = j.id
	left join changed c on true
)
