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
-- include: _step_executions
), shown as materialized (
	select x.*
	from executions x
	where exists (select 1 from found)
	order by x.first_seq
	limit 1000
), steps as (
	select json_agg(step_body(f, l, e, i, step_branch(l)) order by x.first_seq)::text as list
	from shown x
	join journal f on f.run_id = :id and f.seq = x.first_seq
	join journal l on l.run_id = :id and l.seq = x.last_seq
	left join journal e on e.run_id = :id and e.seq = x.end_seq
	left join journal i on i.run_id = :id and i.seq = x.input_seq
)
select saga_body(r, (select w.name from workflows w where w.id = r.workflow_id), coalesce(s.list, '[]')) as body,
	r.fence + r.seq as version
from found r
cross join steps s
