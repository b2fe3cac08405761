-- name:    run_resume
-- purpose: lets a paused run go on
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
	for update of r
), judged as materialized (
	select f.*,
		case
			when is_terminal(f.status) then 'RUN_NOT_ACTIVE'
			when coalesce(f.pending, case f.status when 'paused' then 'pause' else 'resume' end) = 'resume' then 'RUN_NOT_PAUSED'
		end as error,
		true as acts
	from found f
), stopped as (
	update runs r
	set fence = r.fence + 1,
		-- one that is to start later hears of it when its time comes
		queued = r.queued or r.owner_id is null and not starts_later(r.status, r.wake_at),
		wake_at = case when r.owner_id is null and not starts_later(r.status, r.wake_at) then null else r.wake_at end
	from judged j
	where r.id = j.id
		and j.error is null
		and j.acts
	returning r.id
), commanded as (
	insert into run_commands (tenant_id, run_id, kind, data)
	select :tenant_id, s.id, 'resume', json_build_object('reason', :reason, 'by', :principal_name)
	from stopped s
	returning run_id
), answer as (
	select case when j.error is null then 202 end as status,
		json_build_object(
			'message', 'Run is being resumed',
			'execution_id', j.id,
			'run_id', j.id,
			'workflow_id', j.workflow_id,
			'status', j.status) as body,
		null as location,
		null::int8 as version,
		j.error,
		case when j.acts then 'run' end as entity_type,
		j.id as entity_id,
		'resumed' as action,
		jsonb_build_object('reason', :reason, 'from', j.status) as changes,
		case when j.acts then 'c:' || j.id end as wake
	from judged j
)
