-- name:    workflow_get
-- purpose: one workflow with its latest run; deleted ones too
-- params:  id int8, state_only bool?
-- returns: one (body text, version int8, state text)
-- flags:   read
-- index:   workflows_tenant_id_id_key
-- The body is text, not json: its parts were checked when they were rendered.
select
	-- ?!state_only {
	'{' || w.rendered_summary || ',' || w.rendered_details || ',' || w.rendered_definition || ',"latest_run":'
		|| coalesce('{"id":' || r.id || ',"run_id":' || r.id || ',"status":"' || r.status || '","version":' || r.version
			|| ',"created_at":' || quoted(r.created_at) || ',"started_at":' || quoted(r.started_at)
			|| ',"completed_at":' || quoted(r.completed_at) || '}', 'null') || '}'
	-- }
	null::text -- ?state_only
		as body,
	w.revision as version, concat(w.xmin, '.', r.id, '.', r.written_by) as state
from workflows w
left join lateral (
	select r.id, r.status, r.version, r.created_at, r.started_at, r.completed_at, r.xmin as written_by
	from runs r
	where r.workflow_id = w.id
	order by r.created_at desc, r.id desc
	limit 1
) r on true
where w.id = :id
