-- name:    run_signal
-- purpose: sends a signal to a run: what waits for an event of that type gets it, now or later
-- params:  id int8, name text, body json, tenant_id int8, principal_name text?, correlation_id text?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb, wake text)
-- flags:   write
-- index:   runs_pkey
with found as materialized (
	select r.id, r.workflow_id, r.status, nextval('event_id_seq') as signal_id
	from runs r
	where r.id = :id
	for update of r
), judged as materialized (
	select f.*, case when is_terminal(f.status) then 'RUN_NOT_ACTIVE' end as error
	from found f
), woken as (
	update runs r
	set queued = r.queued or r.owner_id is null and command_moves('signal', r.status, r.admitted, r.wake_at),
		wake_at = case when r.owner_id is null and command_moves('signal', r.status, r.admitted, r.wake_at)
			then null else r.wake_at end
	from judged j
	where r.id = j.id
		and j.error is null
	returning r.id
), commanded as (
	insert into run_commands (tenant_id, run_id, kind, data)
	select :tenant_id, j.id, 'signal', json_build_object('id', j.signal_id, 'type', :name, 'data', :body, 'source', 'signal',
		'at', ts(now()), 'correlation_id', :correlation_id, 'by', :principal_name)
	from judged j
	where j.error is null
), answer as (
	select case when j.error is null then 202 end as status,
		json_build_object(
			'message', 'Signal accepted',
			'signal_id', j.signal_id,
			'name', :name,
			'execution_id', j.id,
			'run_id', j.id,
			'workflow_id', j.workflow_id,
			'status', j.status) as body,
		null as location,
		null::int8 as version,
		j.error,
		'run' as entity_type,
		j.id as entity_id,
		'signalled' as action,
		jsonb_build_object('signal_id', j.signal_id, 'name', :name) as changes,
		'c:' || j.id as wake
	from judged j
)
