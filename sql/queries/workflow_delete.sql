-- name:    workflow_delete
-- purpose: deletes a workflow softly and cancels its active runs; once more changes nothing
-- params:  id int8, if_match int8?, principal_name text?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb, wake text)
-- flags:   write
-- index:   runs_active_idx
with found as materialized (
	select w.id, w.status,
		case when w.revision <> :if_match then 'PRECONDITION_FAILED' end as error
	from workflows w
	where w.id = :id
	for update
), deleted as (
	update workflows w
	set status = 'deleted', deleted_at = now(), updated_at = now(), revision = w.revision + 1
	from found f
	where w.id = f.id
		and f.error is null
		and f.status <> 'deleted'
	returning w.*
), active as materialized (
	select r.id
	from runs r
	where r.workflow_id = (select d.id from deleted d)
		and r.status in ('pending', 'running', 'paused', 'compensating')
	order by r.id
	for update
), commanded as materialized (
	select t.run_id
	from tell_runs(array(select a.id from active a), 'cancel', 'The workflow was deleted.', :principal_name) as t (run_id)
), shown as (
	select d.id, d.revision, workflow_members(d) as members
	from deleted d
	union all
	select w.id, w.revision, workflow_members(w)
	from found f
	join workflows w on w.id = f.id
	where f.error is null
		and f.status = 'deleted'
), answer as (
	select case when f.error is null then 200 end as status,
		('{' || c.members || ',"latest_run":' ||
-- include: _latest_run
			|| ',"cancelled_run_ids":'
			|| coalesce((select json_agg(t.run_id order by t.run_id) from commanded t)::text, '[]') || '}')::json as body,
		null as location,
		c.revision as version,
		f.error,
		case when f.status <> 'deleted' then 'workflow' end as entity_type,
		f.id as entity_id,
		'deleted' as action,
		jsonb_build_object('cancelled_runs', (select count(*) from commanded)) as changes,
		case when exists (select 1 from commanded) then 'c:0' end as wake
	from found f
	left join shown c on c.id = f.id
)
