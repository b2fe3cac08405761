-- name:    agent_create
-- purpose: an agent; what it is authorised by comes sealed
-- params:  tenant_id int8, principal_id int8?, principal_name text?, new_id int8?, name text, url text, description text?, capabilities text[]?, auth_type text, auth_sealed bytea?, timeout_ms int4?, retry_config json?, max_concurrency int4?, health_url text?, status text?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
with made as (
	insert into agents (id, tenant_id, name, url, description, capabilities, auth_type, auth_sealed, timeout_ms, retry_config,
		max_concurrency, health_url, status, created_by_id, created_by)
	values (coalesce(:new_id, nextval('agent_id_seq')), :tenant_id, :name, :url, :description, coalesce(:capabilities, '{}'), :auth_type,
		:auth_sealed, coalesce(:timeout_ms, 30000), :retry_config, :max_concurrency, :health_url, coalesce(:status, 'active'),
		:principal_id, :principal_name)
	returning *
), watched as (
	insert into agent_breakers (agent_id, tenant_id)
	select m.id, m.tenant_id
	from made m
), answer as (
	select 201 as status,
		agent_body(m) as body,
		'/api/v1/agents/' || m.id as location,
		m.revision as version,
		null as error,
		'agent' as entity_type,
		m.id as entity_id,
		'created' as action,
		agent_changes(m, m.auth_sealed is not null) as changes
	from made m
)
