-- name:    run_events
-- purpose: a run's history, in order
-- params:  id int8, after int8?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   seq = j.seq int4, timestamp = j.seq int4
-- index:   journal_pkey
with found as materialized (
	select r.id, r.workflow_id, r.seq
	from runs r
	where r.id = :id
), page as materialized (
	select j.*
	from journal j
	where j.run_id = :id
		and j.seq > coalesce((select a.seq from journal a where a.run_id = :id and a.id = :after), 0) -- ?after
		and {key} {cmp} :after_key::{type} -- ?after_id
		and :after_id is not null -- ?after_id
	order by {key} {dir}
	limit :page_limit + 1
	offset :page_offset
), numbered as (
	select p.*, row_number() over () as n
	from page p
), listed as (
	select coalesce(json_agg(json_build_object(
			'id', p.id,
			'seq', p.seq,
			'event', event_name(p.kind),
			'event_type', replace(event_name(p.kind), '.', '_'),
			'kind', p.kind,
			'run_id', p.run_id,
			'execution_id', p.run_id,
			'workflow_id', f.workflow_id,
			'timestamp', ts(p.at),
			'step', p.step,
			'step_name', p.step,
			'step_execution_id', p.step_execution_id,
			'iteration', p.iteration,
			'attempt', p.attempt,
			'duration_ms', p.duration_us / 1000.0::float8,
			'data', p.data) order by p.n) filter (where p.n <= :page_limit), '[]') as items,
		case when count(*) > :page_limit then max(p.seq) filter (where p.n = :page_limit) end::text as next_key,
		case when count(*) > :page_limit then max(p.id) filter (where p.n = :page_limit) end as next_id
	from numbered p
	cross join found f
)
select l.items, l.next_key, l.next_id,
	-- dense from 1, so the run's last number is their count
	case when :want_total then f.seq::int8 - coalesce((select a.seq from journal a where a.run_id = :id and a.id = :after), 0) end as total,
	case when :want_total then f.seq::int8 end as total_estimate
from found f
cross join listed l
