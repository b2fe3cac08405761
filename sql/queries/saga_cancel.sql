-- name:    saga_cancel
-- purpose: cancels a saga: no step of its run starts after the answer
-- params:  id int8, reason text?, tenant_id int8, principal_name text?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb, wake text)
-- flags:   write
-- index:   runs_pkey
with found as materialized (
	select r.id, r.workflow_id, r.status, r.owner_id, r.queued,
		(
			select c.kind
			from run_commands c
			where c.run_id = r.id
				and c.applied_at is null
				and c.kind in ('pause', 'resume')
			order by c.id desc
			limit 1
		) as pending
	from runs r
	where r.id = :id
		and r.mode = 'saga'
	for update of r
), judged as materialized (
	select f.*,
		case
			when is_terminal(f.status) then 'RUN_NOT_ACTIVE'
		end as error,
		true as acts
	from found f
), stopped as (
	update runs r
	set fence = r.fence + 1,
		queued = r.owner_id is null or r.queued,
		wake_at = case when r.owner_id is null then null else r.wake_at end
	from judged j
	where r.id = j.id
		and j.error is null
		and j.acts
	returning r.id
), commanded as (
	insert into run_commands (tenant_id, run_id, kind, data)
	select :tenant_id, s.id, 'cancel', json_build_object('reason', :reason, 'by', :principal_name)
	from stopped s
	returning run_id
), answer as (
	select case when j.error is null then 202 end as status,
		json_build_object(
			'message', 'Saga is being cancelled',
			'saga_id', j.id,
			'execution_id', j.id,
			'run_id', j.id,
			'workflow_id', j.workflow_id,
			'status', j.status) as body,
		null as location,
		null::int8 as version,
		j.error,
		case when j.acts then 'saga' end as entity_type,
		j.id as entity_id,
		'cancelled' as action,
		jsonb_build_object('reason', :reason, 'from', j.status) as changes,
		case when j.acts then 'c:' || j.id end as wake
	from judged j
)
