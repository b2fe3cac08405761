-- name:    run_update
-- purpose: changes variables of a run; the engine takes them over before its next step
-- params:  id int8, if_match int8?, parameters json, tenant_id int8, principal_name text?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb, wake text)
-- flags:   write
-- index:   runs_pkey
with found as materialized (
	select r.id, r.workflow_id, r.status,
		case
			when r.fence + r.seq <> :if_match then 'PRECONDITION_FAILED'
			when is_terminal(r.status) then 'RUN_NOT_ACTIVE'
		end as error
	from runs r
	where r.id = :id
	for update of r
), woken as (
	update runs r
	set queued = r.queued or r.owner_id is null and command_moves('variables', r.status, r.admitted, r.wake_at),
		wake_at = case when r.owner_id is null and command_moves('variables', r.status, r.admitted, r.wake_at)
			then null else r.wake_at end
	from found f
	where r.id = f.id
		and f.error is null
	returning r.*
), commanded as (
	insert into run_commands (tenant_id, run_id, kind, data)
	select :tenant_id, f.id, 'variables', json_build_object('vars', :parameters, 'by', :principal_name)
	from found f
	where f.error is null
), answer as (
	select case when f.error is null then 200 end as status,
		case when f.error is null
			then run_body(r, (select w.name from workflows w where w.id = r.workflow_id))::json end as body,
		null as location,
		r.fence + r.seq as version,
		f.error,
		'run' as entity_type,
		f.id as entity_id,
		'updated' as action,
		jsonb_build_object('members', '["parameters"]'::jsonb) as changes,
		'c:' || f.id as wake
	from found f
	left join woken r on r.id = f.id
)
