-- name:    saga_attach
-- purpose: makes a saga of an execution that was started already
-- params:  execution_id int8, workflow_id int8?, saga_type text, label text?, saga_correlation text?
-- returns: one (status int4, body json, location text, version int8, error text, details json, entity_type text, entity_id int8, action text, changes jsonb, wake text)
-- flags:   write
-- index:   runs_pkey
with found as materialized (
	select r.id, r.mode, r.workflow_id,
		case when r.workflow_id <> :workflow_id then 'CONFLICT' end as error
	from runs r
	where r.id = :execution_id
	for update of r
), changed as (
	update runs r
	set mode = 'saga',
		saga_type = :saga_type,
		saga_label = :label,
		correlation_id = coalesce(:saga_correlation, r.correlation_id)
	from found f
	where r.id = f.id
		and f.error is null
	returning r.*
), answer as (
	select case when f.error is null then 201 end as status,
		case when f.error is null
			then saga_body(r, (select w.name from workflows w where w.id = r.workflow_id), '[]')::json end as body,
		'/api/v1/sagas/' || r.id as location,
		r.fence + r.seq as version,
		f.error,
		case when f.error is not null then json_build_object('input_data.workflow_id',
			json_build_array(format('must be %s, that of the execution, or left out', f.workflow_id))) end as details,
		'saga' as entity_type,
		f.id as entity_id,
		'created' as action,
		jsonb_build_object('execution_id', f.id, 'saga_type', :saga_type) as changes,
		null as wake
	from found f
	left join changed r on r.id = f.id
)
