-- name:    run_logs
-- purpose: a run's log: what its steps logged, and each fact as a line
-- params:  id int8, level text?, step text?, after int8?, search text?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   seq = j.seq int4, timestamp = j.seq int4
-- index:   journal_pkey
with found as materialized (
	select r.id, r.workflow_id
	from runs r
	where r.id = :id
), page as materialized (
	select j.*
	from journal j
	where j.run_id = :id
		and log_rank(log_level(j.kind, j.data)) >= log_rank(:level) -- ?level
		and j.step = :step -- ?step
		and strpos(lower(log_message(j.kind, j.step, j.attempt, j.data)), (select lower(:search))) > 0 -- ?search
		and j.seq > coalesce((select a.seq from journal a where a.run_id = :id and a.id = :after), 0) -- ?after
		and {key} {cmp} :after_key::{type} -- ?after_id
		and :after_id is not null -- ?after_id
	order by {key} {dir}
	limit :page_limit + 1
	offset :page_offset
), numbered as (
	select p.*, row_number() over () as n
	from page p
), counted as (
	select count(*) as n
	from (
		select 1
		from journal j
		where j.run_id = :id
			and log_rank(log_level(j.kind, j.data)) >= log_rank(:level) -- ?level
			and j.step = :step -- ?step
			and strpos(lower(log_message(j.kind, j.step, j.attempt, j.data)), (select lower(:search))) > 0 -- ?search
			and j.seq > coalesce((select a.seq from journal a where a.run_id = :id and a.id = :after), 0) -- ?after
		limit 10001
	) c
), listed as (
	select coalesce(json_agg(json_build_object(
			'id', p.id,
			'seq', p.seq,
			'run_id', p.run_id,
			'execution_id', p.run_id,
			'workflow_id', f.workflow_id,
			'timestamp', ts(p.at),
			'at', ts(p.at),
			'level', log_level(p.kind, p.data),
			'step', p.step,
			'step_name', p.step,
			'attempt', p.attempt,
			'kind', p.kind,
			'message', log_message(p.kind, p.step, p.attempt, p.data),
			'data', case when p.kind <> 'log' then p.data end) order by p.n) filter (where p.n <= :page_limit), '[]') as items,
		case when count(*) > :page_limit then max(p.seq) filter (where p.n = :page_limit) end::text as next_key,
		case when count(*) > :page_limit then max(p.id) filter (where p.n = :page_limit) end as next_id
	from numbered p
	cross join found f
)
select l.items, l.next_key, l.next_id,
	case when :want_total then (select n from counted) end as total,
	null::int8 as total_estimate
from found f
cross join listed l
