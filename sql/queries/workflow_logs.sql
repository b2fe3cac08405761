-- name:    workflow_logs
-- purpose: the log of a workflow's runs, newest run first, each run's lines backwards
-- params:  id int8, level text?, step text?, after int8?, search text?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   -timestamp = j.run_id int8
-- index:   runs_workflow_idx
-- Reads the latest thousand runs from the page's place on, one after the other, until the page is
-- full, or until as many lines are found as a total is counted to. "after" names a line; what follows it are newer ones.
with found as materialized (
	select w.id
	from workflows w
	where w.id = :id
), latest as materialized (
	select r.id as run_id
	from runs r
	where r.workflow_id = :id
		and (r.created_at, r.id) {cmp}= (select a.created_at, a.id from runs a where a.id = :after_key::{type}) -- ?after_id
	order by r.created_at {dir}, r.id {dir}
	limit 1000
-- ?after {
), mark as materialized (
	select a.run_id, a.seq
	from latest l
	join journal a on a.run_id = l.run_id
	where a.id = :after
	limit 1
),
-- }
), -- ?!after
matched as materialized (
	select j.run_id, j.seq
	from latest l
	cross join lateral (
		select j.run_id, j.seq
		from journal j
		where j.run_id = l.run_id
			and log_rank(log_level(j.kind, j.data)) >= log_rank(:level) -- ?level
			and j.step = :step -- ?step
			and strpos(lower(log_message(j.kind, j.step, j.attempt, j.data)), (select lower(:search))) > 0 -- ?search
			-- as one value, so that each run's lines are looked up, and not all behind the mark are read
			and coalesce((select case when j.run_id = m.run_id then j.seq > m.seq else j.run_id > m.run_id end from mark m), false) -- ?after
			and ({key} <> :after_key::{type} or j.seq {cmp} :after_id) -- ?after_id
		order by j.seq {dir}
	) j
	limit greatest(:page_offset + :page_limit + 1, case when :want_total then 10001 end)
), numbered as (
	select m.*, row_number() over () as n
	from (select * from matched limit :page_limit + 1 offset :page_offset) m
), listed as (
	select coalesce(json_agg(json_build_object(
			'id', p.id,
			'seq', p.seq,
			'run_id', p.run_id,
			'execution_id', p.run_id,
			'workflow_id', :id,
			'timestamp', ts(p.at),
			'at', ts(p.at),
			'level', log_level(p.kind, p.data),
			'step', p.step,
			'step_name', p.step,
			'attempt', p.attempt,
			'kind', p.kind,
			'message', log_message(p.kind, p.step, p.attempt, p.data),
			'data', case when p.kind <> 'log' then p.data end) order by p.n) filter (where p.n <= :page_limit), '[]') as items,
		case when count(*) > :page_limit then max(p.run_id) filter (where p.n = :page_limit) end::text as next_key,
		case when count(*) > :page_limit then max(p.seq::int8) filter (where p.n = :page_limit) end as next_id
	from (
		select j.*, n.n
		from numbered n
		join journal j on j.run_id = n.run_id and j.seq = n.seq
	) p
)
select l.items, l.next_key, l.next_id,
	case when :want_total then (select least(count(*), 10001) from matched) end as total,
	null::int8 as total_estimate
from found f
cross join listed l
