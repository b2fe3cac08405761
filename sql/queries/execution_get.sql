-- name:    execution_get
-- purpose: one execution; the same as run_get
-- params:  id int8
-- returns: one (body text, version int8)
-- flags:   read
-- index:   runs_pkey
-- Its version for ETag: each change of a run raises its fence or its seq.
select run_body(r, (select w.name from workflows w where w.id = r.workflow_id)) as body, r.fence + r.seq as version
from runs r
where r.id = :id
