-- name:    workflow_resume
-- purpose: lets a paused workflow and its paused runs go on
-- params:  id int8, reason text?, principal_name text?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb, wake text)
-- flags:   write
-- index:   runs_active_idx
with found as materialized (
	select w.id, w.status
	from workflows w
	where w.id = :id
	for update
), changed as (
	update workflows w
	set status = 'active', revision = w.revision + 1, updated_at = now()
	from found f
	where w.id = f.id
		and f.status = 'paused'
	returning w.id
), active as materialized (
	select r.id
	from runs r
	where r.workflow_id = (select c.id from changed c)
		and r.status in ('pending', 'running', 'paused', 'compensating')
		and (r.status = 'paused'
			or exists (select 1 from run_commands c where c.run_id = r.id and c.applied_at is null and c.kind = 'pause'))
	order by r.id
	for update
), commanded as materialized (
	select t.run_id
	from tell_runs(array(select a.id from active a), 'resume', :reason, :principal_name) as t (run_id)
), reached as (
	select coalesce(json_agg(c.run_id order by c.run_id), '[]') as run_ids, count(*) as n
	from commanded c
), answer as (
	select case when f.status = 'paused' then 202 end as status,
		json_build_object(
			'message', 'Workflow resumed',
			'workflow_id', f.id,
			'id', f.id,
			'status', 'active',
			'run_ids', c.run_ids) as body,
		null as location,
		null::int8 as version,
		case when f.status <> 'paused' then 'WORKFLOW_NOT_PAUSED' end as error,
		'workflow' as entity_type,
		f.id as entity_id,
		'resumed' as action,
		jsonb_build_object('reason', :reason, 'runs', c.n) as changes,
		case when c.n > 0 then 'c:0' end as wake
	from found f
	cross join reached c
)
