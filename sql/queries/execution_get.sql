-- name:    execution_get
-- purpose: one execution; the same as run_get
-- params:  id int8, state_only bool?
-- returns: one (body text, version int8, state text)
-- flags:   read
-- index:   runs_pkey
-- Its version for ETag: each change of a run raises its fence or its seq. Before its end the body
-- tells the time, so that it has no state to know it by.
select
	run_body(r, w.name) -- ?!state_only
	null::text -- ?state_only
		as body,
	r.fence + r.seq as version,
	case when r.completed_at is not null then concat(r.xmin, '.', w.xmin) end as state
from runs r
left join workflows w on w.id = r.workflow_id
where r.id = :id
