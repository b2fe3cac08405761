-- name:    workflow_bulk_create
-- purpose: makes many workflows in one commit: one answer for each
-- params:  items json, dry_run bool?, tenant_id int8, principal_id int8?, principal_name text?, correlation_id text?, remote_address text?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb, wake text)
-- flags:   write slow
-- Numbers of a body may be written as 6E2, so they are read as numeric first.
-- items: {"body": as it was sent, "definition", "config", "steps", "digest", "on_upload"} each.
with items as materialized (
	select i.n, i.value -> 'body' as body, i.value -> 'body' ->> 'name' as name, i.value -> 'definition' as definition,
		(i.value -> 'config' #>> '{}') is not null as has_config, i.value -> 'config' as config,
		i.value -> 'steps' as steps, i.value ->> 'digest' as digest, (i.value ->> 'on_upload')::bool as on_upload,
		row_number() over (partition by i.value -> 'body' ->> 'name' order by i.n) = 1 as is_first
	from json_array_elements(:items) with ordinality as i (value, n)
), taken as materialized (
	select w.name
	from workflows w
	where w.name = any (array(select i.name from items i))
		and w.status <> 'deleted'
), made as (
	insert into workflows (tenant_id, name, description, status, digest, tags, trigger_config, trigger_on_file_upload,
		trigger_file_extensions, timeout_seconds, max_retries, retention_days, input_schema, created_by_id, created_by, rendered_definition)
	select :tenant_id, f.name, f.body ->> 'description',
		case when coalesce((f.body ->> 'is_enabled')::bool, true) then 'active' else 'inactive' end, f.digest,
		coalesce(words(f.body ->> 'tags'), '{}'),
		case when f.body ->> 'trigger_config' is not null then f.body -> 'trigger_config' end, coalesce(f.on_upload, false),
		array_to_string(words(f.body ->> 'trigger_file_extensions'), ','), (f.body ->> 'timeout_seconds')::numeric::int,
		(f.body ->> 'max_retries')::numeric::int, (f.body ->> 'retention_days')::numeric::int,
		case when f.body ->> 'input_schema' is not null then f.body -> 'input_schema' end, :principal_id, :principal_name,
		definition_members(f.steps, case when f.has_config then f.config else f.definition end)
	from items f
	where f.is_first
		and not coalesce(:dry_run, false)
	order by f.n
	on conflict (tenant_id, name) where status <> 'deleted' do nothing
	returning id, name
), matched as materialized (
	-- a full join, because nobody knows how many there are, and that one is never a nested loop
	select i.*, m.id
	from items i
	full join made m on m.name = case when i.is_first then i.name end
), versioned as (
	insert into workflow_versions (workflow_id, version, tenant_id, definition, config, steps, digest, created_by_id, created_by)
	select f.id, 1, :tenant_id, f.definition, case when f.has_config then f.config end, f.steps, f.digest, :principal_id, :principal_name
	from matched f
	where f.id is not null
), audited_each as (
	insert into audit_logs (tenant_id, entity_type, entity_id, action, user_id, user_name, changes, address, correlation_id)
	select :tenant_id, 'workflow', m.id, 'created', :principal_id, :principal_name,
		jsonb_build_object('name', m.name, 'version', 1, 'bulk', true), :remote_address, :correlation_id
	from made m
), judged as (
	select i.n, i.name, i.id,
		case
			when not i.is_first then 'WORKFLOW_NAME_TAKEN'
			when coalesce(:dry_run, false) then case when i.name in (select t.name from taken t) then 'WORKFLOW_NAME_TAKEN' end
			when i.id is null then 'WORKFLOW_NAME_TAKEN'
		end as error
	from matched i
), answer as (
	select 202 as status,
		json_build_object(
			'op', 'create',
			'dry_run', coalesce(:dry_run, false),
			'matched', count(*),
			'accepted', count(*) filter (where j.error is null),
			'refused', count(*) filter (where j.error is not null),
			'truncated', false,
			'results', coalesce(json_agg(json_build_object(
				'id', j.id,
				'workflow_id', j.id,
				'name', j.name,
				'status', case when j.error is null then 201 else 409 end,
				'error_code', j.error,
				'run_ids', '[]'::json) order by j.n), '[]')) as body,
		null as location,
		null::int8 as version,
		null as error,
		null as entity_type,
		null::int8 as entity_id,
		null as action,
		null::jsonb as changes,
		null as wake
	from judged j
)
