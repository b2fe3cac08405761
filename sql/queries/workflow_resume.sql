-- name:    workflow_resume
-- purpose: lets a paused workflow and its paused runs go on, or the paused runs of one that isn't paused itself
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
	where r.workflow_id = (select f.id from found f where f.status <> 'deleted')
		and r.status in ('pending', 'running', 'paused', 'compensating')
		and stands_paused(r)
	order by r.id
	for update
), commanded as materialized (
	select t.run_id
	from tell_runs(array(select a.id from active a), 'resume', :reason, :principal_name) as t (run_id)
), reached as (
	select coalesce(json_agg(c.run_id order by c.run_id), '[]') as run_ids, count(*) as n
	from commanded c
), judged as (
	select case when f.status <> 'paused' and c.n = 0 then 'WORKFLOW_NOT_PAUSED' end as error
	from found f
	cross join reached c
), answer as (
	select case when j.error is null then 202 end as status,
		json_build_object(
			'message', case when f.status = 'paused' then 'Workflow resumed' else 'Paused runs resumed' end,
			'workflow_id', f.id,
			'id', f.id,
			'status', case f.status when 'paused' then 'active' else f.status end,
			'run_ids', c.run_ids) as body,
		null as location,
		null::int8 as version,
		j.error,
		'workflow' as entity_type,
		f.id as entity_id,
		'resumed' as action,
		jsonb_build_object('reason', :reason, 'runs', c.n) as changes,
		case when c.n > 0 then 'c:0' end as wake
	from found f
	cross join reached c
	cross join judged j
)
