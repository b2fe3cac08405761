-- name:    execution_steps
-- purpose: what happened to each step of an execution; the same as run_steps
-- params:  id int8, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   step_order = e.first_seq int4
-- index:   journal_pkey
-- A step execution is what the journal says: its first row gives the beginning, its last one the
-- state. Rows of steps without effects have only an end, so their beginning is counted back.
with found as materialized (
	select r.id, r.workflow_id
	from runs r
	where r.id = :id
), executions as materialized (
	select j.step_execution_id as id, min(j.seq) as first_seq, max(j.seq) as last_seq,
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
	select coalesce(json_agg(json_build_object(
			'id', p.id,
			'step_execution_id', p.id,
			'run_id', l.run_id,
			'execution_id', l.run_id,
			'step_order', coalesce((f.data ->> 'order')::int, (l.data ->> 'order')::int, 0),
			'step_name', l.step,
			'name', l.step,
			'step_type', coalesce(f.data ->> 'type', l.data ->> 'type'),
			'type', coalesce(f.data ->> 'type', l.data ->> 'type'),
			'status', case l.kind
				when 'step.started' then 'running'
				when 'step.waiting' then 'waiting'
				when 'step.retrying' then 'waiting'
				else substr(l.kind, 6) end,
			'attempt', coalesce(l.attempt, 1),
			'iteration', l.iteration,
			'retry_count', greatest(coalesce(l.attempt, 1) - 1, 0),
			'execution_time_ms', case
				when l.kind in ('step.skipped') then 0
				when f.kind in ('step.started', 'step.waiting') then (extract(epoch from
					case when l.kind in ('step.completed', 'step.failed', 'step.cancelled') then l.at else now() end
					- f.at) * 1000)::int8
				else l.duration_us / 1000 end,
			'started_at', ts(case
				when f.kind in ('step.started', 'step.waiting') then f.at
				when f.kind = 'step.skipped' then null
				else f.at - coalesce(f.duration_us, 0) * interval '1 microsecond' end),
			'completed_at', case when l.kind in ('step.completed', 'step.failed', 'step.cancelled', 'step.skipped')
				then ts(l.at) end,
			'input_data', i.data -> 'input',
			'output_data', case when l.kind = 'step.completed' then l.data -> 'output' end,
			'error', case when l.kind in ('step.failed', 'step.retrying') then l.data -> 'error' end,
			'reason', l.data ->> 'reason',
			'next_at', case when l.kind = 'step.retrying' then l.data -> 'next_at' end,
			'until', case when l.kind = 'step.waiting' then l.data -> 'until' end,
			'branch', l.data ->> 'branch') order by p.n) filter (where p.n <= :page_limit), '[]') as items,
		case when count(*) > :page_limit then max(p.first_seq) filter (where p.n = :page_limit) end::text as next_key,
		case when count(*) > :page_limit then max(p.id) filter (where p.n = :page_limit) end as next_id
	from numbered p
	join journal f on f.run_id = :id and f.seq = p.first_seq
	join journal l on l.run_id = :id and l.seq = p.last_seq
	left join journal i on i.run_id = :id and i.seq = p.input_seq
)
select l.items, l.next_key, l.next_id,
	case when :want_total then (select count(*) from executions) end as total,
	case when :want_total then (select count(*) from executions) end as total_estimate
from found
cross join listed l
