-- name:    run_resume
-- purpose: lets a paused run go on
-- params:  id int8, reason text?, principal_name text?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb, wake text)
-- flags:   write
-- index:   runs_pkey
with found as materialized (
	select r.id, r.workflow_id, r.status,
		case
			when is_terminal(r.status) then 'RUN_NOT_ACTIVE'
			when not stands_paused(r) then 'RUN_NOT_PAUSED'
		end as error
	from runs r
	where r.id = :id
	for update of r
), told as materialized (
	select t.id
	from tell_runs(array(select f.id from found f where f.error is null), 'resume', :reason, :principal_name) as t (id)
), answer as (
	select case when f.error is null then 202 end as status,
		json_build_object(
			'message', 'Run is being resumed',
			'execution_id', f.id,
			'run_id', f.id,
			'workflow_id', f.workflow_id,
			'status', f.status) as body,
		null as location,
		null::int8 as version,
		f.error,
		case when t.id is not null then 'run' end as entity_type,
		f.id as entity_id,
		'resumed' as action,
		jsonb_build_object('reason', :reason, 'from', f.status) as changes,
		'c:' || t.id as wake
	from found f
	left join told t on t.id = f.id
)
