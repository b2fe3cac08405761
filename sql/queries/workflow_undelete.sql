-- name:    workflow_undelete
-- purpose: a deleted workflow is what it was before; one that isn't deleted stays as it is
-- params:  id int8, if_match int8?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
-- Runs that were cancelled with it stay cancelled. Of one whose earlier status nobody wrote down the
-- triggers stay off.
with found as materialized (
	select w.id, w.status,
		case when w.revision <> :if_match then 'PRECONDITION_FAILED' end as error
	from workflows w
	where w.id = :id
	for update
), restored as (
	update workflows w
	set status = coalesce(w.status_before, 'inactive'), status_before = null, deleted_at = null, updated_at = now(),
		revision = w.revision + 1
	from found f
	where w.id = f.id
		and f.error is null
		and f.status = 'deleted'
	returning w.*
), shown as (
	select d.id, d.revision, d.status, workflow_members(d) as members
	from restored d
	union all
	select w.id, w.revision, w.status, workflow_members(w)
	from found f
	join workflows w on w.id = f.id
	where f.error is null
		and f.status <> 'deleted'
), answer as (
	select case when f.error is null then 200 end as status,
		('{' || c.members || ',"latest_run":' ||
-- include: _latest_run
			|| '}')::json as body,
		null as location,
		c.revision as version,
		f.error,
		case when f.status = 'deleted' then 'workflow' end as entity_type,
		f.id as entity_id,
		'undeleted' as action,
		jsonb_build_object('status', c.status) as changes
	from found f
	left join shown c on c.id = f.id
)
