-- name:    saga_start
-- purpose: starts a saga: a run of that workflow, to be undone when it fails
-- params:  workflow_id int8, saga_type text, label text?, saga_correlation text?, timeout_seconds int4?, input json, tenant_id int8, principal_name text?, correlation_id text?, traceparent text?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb, wake text)
-- flags:   write
with target as materialized (
	select w.id, w.name, w.version, case when w.status <> 'active' then 'WORKFLOW_NOT_ACTIVE' end as error
	from workflows w
	where w.id = :workflow_id
), run as (
	insert into runs (id, tenant_id, workflow_id, version, seq, trigger_type, triggered_by, correlation_id, traceparent, input,
		mode, saga_type, saga_label, timeout_seconds)
	select nextval('run_id_seq'), :tenant_id, t.id, t.version, 1, 'api', :principal_name,
		coalesce(:saga_correlation, :correlation_id), :traceparent, :input, 'saga', :saga_type, :label, :timeout_seconds
	from target t
	where t.error is null
	returning *
), journalled as (
	insert into journal (id, tenant_id, run_id, seq, kind, at, data)
	select nextval('journal_id_seq'), :tenant_id, r.id, 1, 'created', now(),
		json_build_object('trigger_type', r.trigger_type, 'triggered_by', r.triggered_by, 'saga_type', r.saga_type)
	from run r
), answer as (
	select case when t.error is null then 201 end as status,
		case when t.error is null then saga_body(r, t.name, '[]')::json end as body,
		'/api/v1/sagas/' || r.id as location,
		r.fence + r.seq as version,
		t.error,
		'saga' as entity_type,
		r.id as entity_id,
		'created' as action,
		jsonb_build_object('workflow_id', t.id, 'version', t.version, 'saga_type', :saga_type) as changes,
		'r:' || r.id as wake
	from target t
	left join run r on true
)
