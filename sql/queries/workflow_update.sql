-- name:    workflow_update
-- purpose: changes what the body names; a definition that differs makes a new version
-- params:  id int8, if_match int8?, tenant_id int8, principal_id int8?, principal_name text?, body json, name text?, description text?, tags text?, definition json?, workflow_config json?, steps json?, digest text?, base_version int4?, trigger_config json?, trigger_on_file_upload bool?, trigger_file_extensions text?, timeout_seconds int4?, max_retries int4?, retention_days int4?, input_schema json?, is_enabled bool?, status text?, parameters json?, version int4?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb, wake text)
-- flags:   write
-- definition with steps and digest: the new one, made from version base_version. Absent members
-- of the body stay, null clears. status counts where it differs from what is there, else is_enabled does. version: whose definition is restored. parameters: variables for its active runs, which it must have then.
with given as materialized (
	select coalesce(array_agg(k), '{}') as keys
	from json_object_keys(:body) as k
), active as materialized (
	select r.id
	from runs r
	where :parameters is not null
		and r.workflow_id = :id
		and r.status in ('pending', 'running', 'paused', 'compensating')
	order by r.id
	for update
), found as materialized (
	select w.id, w.status, w.name, w.revision, w.version,
		case
			when w.status = 'deleted' then 'WORKFLOW_DELETED'
			when w.revision <> :if_match then 'PRECONDITION_FAILED'
			when w.version <> :base_version then 'PRECONDITION_FAILED'
			when :parameters is not null and not exists (select 1 from active) then 'NO_ACTIVE_RUN'
			when :status <> w.status and (:status in ('paused', 'deleted') or :status = 'active' and w.status = 'paused')
				then 'WORKFLOW_STATUS_BY_ACT'
		end as error,
		coalesce(w.digest <> :digest, false) as differs
	from workflows w
	where w.id = :id
	for update
), changed as (
	update workflows w
	set revision = w.revision + 1,
		updated_at = now(),
		version = case when f.differs then w.version + 1 else w.version end,
		digest = coalesce(:digest, w.digest),
		rendered_definition = case when f.differs
			then definition_members(:steps, coalesce(:workflow_config, :definition)) else w.rendered_definition end,
		name = coalesce(:name, w.name),
		description = case when 'description' = any (g.keys) then :description else w.description end,
		tags = case when 'tags' = any (g.keys) then coalesce(words(:tags), '{}') else w.tags end,
		trigger_config = case when 'trigger_config' = any (g.keys) then :trigger_config else w.trigger_config end,
		trigger_on_file_upload = case when 'trigger_on_file_upload' = any (g.keys)
			then coalesce(:trigger_on_file_upload, false) else w.trigger_on_file_upload end,
		trigger_file_extensions = case when 'trigger_file_extensions' = any (g.keys)
			then array_to_string(words(:trigger_file_extensions), ',') else w.trigger_file_extensions end,
		timeout_seconds = case when 'timeout_seconds' = any (g.keys) then :timeout_seconds else w.timeout_seconds end,
		max_retries = case when 'max_retries' = any (g.keys) then :max_retries else w.max_retries end,
		retention_days = case when 'retention_days' = any (g.keys) then :retention_days else w.retention_days end,
		input_schema = case when 'input_schema' = any (g.keys) then :input_schema else w.input_schema end,
		status = case
			when :status <> w.status then :status
			when not 'is_enabled' = any (g.keys) or :is_enabled is null then w.status
			when not :is_enabled then 'inactive'
			when w.status = 'inactive' then 'active'
			else w.status end
	from found f
	cross join given g
	where w.id = f.id
		and f.error is null
	returning w.*
), versioned as (
	insert into workflow_versions (workflow_id, version, tenant_id, definition, config, steps, digest, created_by_id, created_by)
	select c.id, c.version, :tenant_id, :definition, :workflow_config, :steps, :digest, :principal_id, :principal_name
	from changed c
	join found f on f.id = c.id
	where f.differs
), woken as (
	update runs r
	set queued = r.queued or r.owner_id is null and command_moves('variables', r.status, r.admitted, r.wake_at),
		wake_at = case when r.owner_id is null and command_moves('variables', r.status, r.admitted, r.wake_at)
			then null else r.wake_at end
	from active a
	join found f on f.error is null
	where r.id = a.id
	returning r.id
), commanded as (
	insert into run_commands (tenant_id, run_id, kind, data)
	select :tenant_id, k.id, 'variables', json_build_object('vars', :parameters, 'by', :principal_name)
	from woken k
	returning run_id
), answer as (
	select case when f.error is null then 200 end as status,
		('{' || c.rendered_summary || ',' || c.rendered_details || ',' || c.rendered_definition || ',"latest_run":'
			||
-- include: _latest_run
			|| '}')::json as body,
		null as location,
		c.revision as version,
		f.error,
		'workflow' as entity_type,
		f.id as entity_id,
		case when :version is null then 'updated' else 'restored' end as action,
		jsonb_build_object('members', g.keys, 'version', c.version, 'status', c.status,
			'runs', (select count(*) from commanded))
			|| case when :version is null then '{}' else jsonb_build_object('restored_version', :version) end as changes,
		case when exists (select 1 from commanded) then 'c:0' end as wake
	from found f
	cross join given g
	left join changed c on c.id = f.id
)
