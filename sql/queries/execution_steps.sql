-- name:    execution_steps
-- purpose: what happened to each step of an execution; the same as run_steps
-- params:  id int8, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   step_order = e.first_seq int4
-- index:   journal_pkey
-- A step execution is what the journal says: its first row gives the beginning, its last one the
-- state. A completed one may have a last row that says it was undone.
with found as materialized (
	select r.id, r.workflow_id
	from runs r
	where r.id = :id
), executions as materialized (
	select j.step_execution_id as id, min(j.seq) as first_seq, max(j.seq) as last_seq,
		max(j.seq) filter (where j.kind in ('step.completed', 'step.failed', 'step.cancelled', 'step.skipped')) as end_seq,
		max(j.seq) filter (where j.kind in ('step.started', 'step.waiting', 'step.completed', 'step.failed')
			and j.data -> 'input' is not null) as input_seq
	from journal j
	where j.run_id = :id
		and j.step_execution_id is not null
		and j.kind like 'step.%'
	group by j.step_execution_id
), page as materialized (
	select e.*
	from executions e
	where true
		and {key} {cmp} :after_key::{type} -- ?after_id
		and :after_id is not null -- ?after_id
	order by {key} {dir}
	limit :page_limit + 1
	offset :page_offset
), numbered as (
	select p.*, row_number() over (order by p.first_seq {dir}) as n
	from page p
), listed as (
	select coalesce(json_agg(step_body(f, l, e, i, step_branch(l)) order by p.n) filter (where p.n <= :page_limit), '[]') as items,
		case when count(*) > :page_limit then max(p.first_seq) filter (where p.n = :page_limit) end::text as next_key,
		case when count(*) > :page_limit then max(p.id) filter (where p.n = :page_limit) end as next_id
	from numbered p
	join journal f on f.run_id = :id and f.seq = p.first_seq
	join journal l on l.run_id = :id and l.seq = p.last_seq
	left join journal e on e.run_id = :id and e.seq = p.end_seq
	left join journal i on i.run_id = :id and i.seq = p.input_seq
)
select l.items, l.next_key, l.next_id,
	case when :want_total then (select count(*) from executions) end as total,
	case when :want_total then (select count(*) from executions) end as total_estimate
from found
cross join listed l
