-- name:    run_rerun
-- purpose: starts a new run that repeats one: the same version and input, unless others are named
-- params:  id int8, input json?, version int4?, priority int2?, tenant_id int8, principal_name text?, correlation_id text?, traceparent text?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb, wake text)
-- flags:   write
with target as materialized (
	select r.id, r.workflow_id, coalesce(:version, r.version) as version, coalesce(:priority, r.priority) as priority,
		coalesce(:input, r.input) as input, r.mode, r.saga_type, r.saga_label, r.timeout_seconds,
		case
			when w.status <> 'active' then 'WORKFLOW_NOT_ACTIVE'
			when not exists (
				select 1 from workflow_versions v
				where v.workflow_id = r.workflow_id and v.version = coalesce(:version, r.version)
			) then 'VERSION_NOT_FOUND'
		end as error
	from runs r
	join workflows w on w.id = r.workflow_id
	where r.id = :id
), run as (
	insert into runs (id, tenant_id, workflow_id, version, priority, seq, trigger_type, triggered_by, correlation_id,
		traceparent, input, rerun_of, mode, saga_type, saga_label, timeout_seconds)
	select nextval('run_id_seq'), :tenant_id, t.workflow_id, t.version, t.priority, 1, 'manual', :principal_name,
		:correlation_id, :traceparent, t.input, t.id, t.mode, t.saga_type, t.saga_label, t.timeout_seconds
	from target t
	where t.error is null
	returning id, status, trigger_type, triggered_by
), journalled as (
	insert into journal (id, tenant_id, run_id, seq, kind, at, data)
	select nextval('journal_id_seq'), :tenant_id, r.id, 1, 'created', now(),
		json_build_object('trigger_type', r.trigger_type, 'triggered_by', r.triggered_by, 'rerun_of', t.id)
	from run r
	cross join target t
), answer as (
	select case when t.error is null then 202 end as status,
		json_build_object(
			'message', 'Run ' || t.id || ' is being repeated',
			'execution_id', r.id,
			'run_id', r.id,
			'workflow_id', t.workflow_id,
			'status', r.status,
			'rerun_of', t.id) as body,
		'/api/v1/runs/' || r.id as location,
		null::int8 as version,
		t.error,
		'run' as entity_type,
		r.id as entity_id,
		'created' as action,
		jsonb_build_object('rerun_of', t.id, 'version', t.version) as changes,
		'r:' || r.id as wake
	from target t
	left join run r on true
)
