-- name:    workflow_get
-- purpose: one workflow with its latest run; deleted ones too
-- params:  id int8
-- returns: one (body text, version int8)
-- flags:   read
-- index:   workflows_tenant_id_id_key
-- The body is text, not json: its parts were checked when they were rendered.
select '{' || w.rendered_summary || ',' || w.rendered_details || ',' || w.rendered_definition || ',"latest_run":'
	|| coalesce((
		select '{"id":' || r.id || ',"run_id":' || r.id || ',"status":"' || r.status || '","version":' || r.version
			|| ',"created_at":' || quoted(r.created_at) || ',"started_at":' || quoted(r.started_at)
			|| ',"completed_at":' || quoted(r.completed_at) || '}'
		from runs r
		where r.workflow_id = w.id
		order by r.created_at desc, r.id desc
		limit 1
	), 'null') || '}' as body,
	w.revision as version
from workflows w
where w.id = :id
