-- name:    saga_get
-- purpose: one saga with its steps
-- params:  id int8
-- returns: one (body text, version int8)
-- flags:   read
-- index:   journal_pkey
with found as materialized (
	select r.*
	from runs r
	where r.id = :id
		and r.mode = 'saga'
), executions as materialized (
	select j.step_execution_id as id, min(j.seq) as first_seq, max(j.seq) as last_seq,
		max(j.seq) filter (where j.kind in ('step.completed', 'step.failed', 'step.cancelled', 'step.skipped')) as end_seq
	from journal j
	where j.run_id = (select f.id from found f)
		and j.step_execution_id is not null
		and j.kind like 'step.%'
	group by j.step_execution_id
	order by 2
	limit 1000
), steps as (
	select json_agg(step_body(f, l, e, null, null) order by x.first_seq)::text as list
	from executions x
	join journal f on f.run_id = :id and f.seq = x.first_seq
	join journal l on l.run_id = :id and l.seq = x.last_seq
	left join journal e on e.run_id = :id and e.seq = x.end_seq
)
select saga_body(r, (select w.name from workflows w where w.id = r.workflow_id), coalesce(s.list, '[]')) as body,
	r.fence + r.seq as version
from found r
cross join steps s
