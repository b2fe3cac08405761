-- name:    workflow_execute
-- purpose: starts a run: resolves the workflow, inserts run and first journal row
-- params:  id int8, tenant_id int8, principal_name text?, correlation_id text?, traceparent text?, input json?, priority int2?, run_at timestamptz?, version int4?, waiter text?, trigger_type text?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb, wake text)
-- flags:   write
with target as materialized (
	select w.id, coalesce(:version, w.version) as version,
		case
			when w.status <> 'active' then 'WORKFLOW_NOT_ACTIVE'
			when :version <> w.version and not exists ( -- ?version
				select 1 from workflow_versions v where v.workflow_id = w.id and v.version = :version -- ?version
			) then 'VERSION_NOT_FOUND' -- ?version
		end as error
	from workflows w
	where w.id = :id
), run as (
	insert into runs (id, tenant_id, workflow_id, version, queued, wake_at, priority, seq, waiter, trigger_type,
		triggered_by, correlation_id, traceparent, input)
	select nextval('run_id_seq'), :tenant_id, t.id, t.version, :run_at is null or :run_at <= now(),
		case when :run_at > now() then :run_at end, coalesce(:priority, 0), 1, :waiter, coalesce(:trigger_type, 'manual'),
		:principal_name, :correlation_id, :traceparent, coalesce(:input, '{}')
	from target t
	where t.error is null
	returning id, workflow_id, status, trigger_type, triggered_by
), journalled as (
	insert into journal (id, tenant_id, run_id, seq, kind, at, data)
	select nextval('journal_id_seq'), :tenant_id, r.id, 1, 'created', now(),
		json_build_object('trigger_type', r.trigger_type, 'triggered_by', r.triggered_by)
	from run r
), answer as (
	select case when t.error is null then 202 end as status,
		json_build_object(
			'message', 'Workflow execution started',
			'execution_id', r.id,
			'run_id', r.id,
			'workflow_id', t.id,
			'status', r.status) as body,
		'/api/v1/runs/' || r.id as location,
		null::int8 as version,
		t.error,
		'run' as entity_type,
		r.id as entity_id,
		'created' as action,
		jsonb_build_object('workflow_id', t.id, 'version', t.version) as changes,
		'r:' || r.id as wake
	from target t
	left join run r on true
)
