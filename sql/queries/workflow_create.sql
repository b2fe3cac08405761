-- name:    workflow_create
-- purpose: a new workflow; with start also a run of it, or of the one that has the name already
-- params:  tenant_id int8, principal_id int8?, principal_name text?, correlation_id text?, traceparent text?, waiter text?, name text, description text?, tags text?, definition json, workflow_config json?, steps json, digest text, trigger_config json?, trigger_on_file_upload bool?, trigger_file_extensions text?, timeout_seconds int4?, max_retries int4?, retention_days int4?, input_schema json?, is_enabled bool?, start bool?, input json?, saga_type text?, label text?, saga_correlation text?, template_id int8?, template_version text?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb, wake text)
-- flags:   write
-- workflow_config: what the client wrote, when the definition is more than that. saga_type: the run
-- is a saga, and so is the answer.
with existing as materialized (
	select w.id, w.version, w.status, w.digest
	from workflows w
	where :start
		and w.name = :name
		and w.status <> 'deleted'
	for update
), made as (
	insert into workflows (tenant_id, name, description, status, digest, tags, trigger_config, trigger_on_file_upload,
		trigger_file_extensions, timeout_seconds, max_retries, retention_days, input_schema, created_by_id, created_by, template_id, template_version, rendered_definition)
	select :tenant_id, :name, :description, case when coalesce(:is_enabled, true) then 'active' else 'inactive' end,
		:digest, coalesce(words(:tags), '{}'), :trigger_config, coalesce(:trigger_on_file_upload, false),
		array_to_string(words(:trigger_file_extensions), ','), :timeout_seconds, :max_retries, :retention_days, :input_schema,
		:principal_id, :principal_name, :template_id, :template_version, definition_members(:steps, coalesce(:workflow_config, :definition))
	where not exists (select 1 from existing)
		and (coalesce(:is_enabled, true) or not coalesce(:start, false))
	returning *
), changed as (
	update workflows w
	set version = w.version + 1,
		revision = w.revision + 1,
		digest = :digest,
		rendered_definition = definition_members(:steps, coalesce(:workflow_config, :definition)),
		updated_at = now()
	from existing e
	where w.id = e.id
		and e.status = 'active'
		and e.digest <> :digest
	returning w.*
), target as (
	select m.id, m.version, m.revision, m.name, m.rendered_summary, m.rendered_details, m.rendered_definition,
		'created' as action
	from made m
	union all
	select c.id, c.version, c.revision, c.name, c.rendered_summary, c.rendered_details, c.rendered_definition,
		'updated'
	from changed c
	union all
	select w.id, w.version, w.revision, w.name, w.rendered_summary, w.rendered_details, w.rendered_definition,
		'executed'
	from existing e
	join workflows w on w.id = e.id
	where e.status = 'active'
		and e.digest = :digest
), versioned as (
	insert into workflow_versions (workflow_id, version, tenant_id, definition, config, steps, digest, created_by_id, created_by)
	select t.id, t.version, :tenant_id, :definition, :workflow_config, :steps, :digest, :principal_id, :principal_name
	from target t
	where t.action <> 'executed'
), run as (
	insert into runs (id, tenant_id, workflow_id, version, seq, waiter, trigger_type, triggered_by, correlation_id,
		traceparent, input, mode, saga_type, saga_label)
	select nextval('run_id_seq'), :tenant_id, t.id, t.version, 1, :waiter, 'manual', :principal_name,
		coalesce(:saga_correlation, :correlation_id), :traceparent, coalesce(:input, '{}'),
		case when :saga_type is not null then 'saga' end, :saga_type, :label
	from target t
	where :start
	returning *
), journalled as (
	insert into journal (id, tenant_id, run_id, seq, kind, at, data)
	select nextval('journal_id_seq'), :tenant_id, r.id, 1, 'created', now(),
		json_build_object('trigger_type', r.trigger_type, 'triggered_by', r.triggered_by)
	from run r
), answer as (
	select 201 as status,
		case when :saga_type is not null then (select saga_body(r, t.name, '[]')::json from run r)
		else ('{' || t.rendered_summary || ',' || t.rendered_details || ',' || t.rendered_definition
			|| coalesce((
				select ',"run_id":' || r.id || ',"execution_id":' || r.id || ',"run":' || run_body(r, t.name)
					|| ',"latest_run":' || json_build_object('id', r.id, 'run_id', r.id, 'status', r.status,
						'version', r.version, 'created_at', ts(r.created_at), 'started_at', null, 'completed_at', null)::text
				from run r
			), ',"latest_run":null') || '}')::json end as body,
		case when :saga_type is not null then (select '/api/v1/sagas/' || r.id from run r)
			else '/api/v1/workflows/' || t.id end as location,
		t.revision as version,
		null as error,
		'workflow' as entity_type,
		t.id as entity_id,
		t.action,
		jsonb_build_object('name', t.name, 'version', t.version, 'run_id', (select r.id from run r)) as changes,
		case when :start then 'r' end as wake
	from target t
	union all
	select null, null, null, null, 'WORKFLOW_NOT_ACTIVE', null, null, null, null, null
	where not exists (select 1 from target)
)
