-- name:    run_steps
-- purpose: what happened to each step of a run, in the order in which they began
-- params:  id int8, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   step_order = e.first_seq int4
-- index:   journal_pkey
with found as materialized (
	select r.id, r.workflow_id
	from runs r
	where r.id = :id
-- include: _step_executions
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
