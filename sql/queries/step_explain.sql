-- name:    step_explain
-- purpose: why a step of a run stands where it stands
-- params:  id int8, name text, iteration int4?
-- returns: one (body json, version int8, error text)
-- flags:   read
-- index:   journal_pkey
-- The latest execution of the step, or the latest in that round of its block. One that has not begun
-- is known by the definition: a step inside of others by its holder and by its own name.
with found as materialized (
	select r.*
	from runs r
	where r.id = :id
), facts as materialized (
	select j.seq, j.step_execution_id
	from journal j
	where j.run_id = :id
		and j.step = :name
		and j.step_execution_id is not null
		and j.kind like 'step.%'
		and j.iteration = :iteration -- ?iteration
), execution as materialized (
	select x.step_execution_id as id, min(x.seq) as first_seq, max(x.seq) as last_seq
	from facts x
	group by x.step_execution_id
	order by 2 desc
	limit 1
), bounds as materialized (
	select x.*,
		(
			select max(e.seq)
			from journal e
			where e.run_id = :id
				and e.step_execution_id = x.id
				and e.kind in ('step.completed', 'step.failed', 'step.cancelled', 'step.skipped')
		) as end_seq
	from execution x
), agent as (
	select w.*
	from agent_waits(:id) w
	where w.step_execution_id = (select x.id from execution x)
), waits as (
	select coalesce(min(w.kind), (select 'agent' from agent)) as kind, min(w.since) as since,
		string_agg(distinct to_json(w.event_type)::text, ', ') filter (where w.kind = 'event') as events,
		max(w.child_run_id) filter (where w.kind = 'child') as child
	from run_waits w
	where w.run_id = :id
		and w.step_execution_id = (select x.id from execution x)
), defined as materialized (
	select s.value as step
	from found f
	join workflow_versions v on v.workflow_id = f.workflow_id and v.version = f.version
	cross join json_array_elements(v.steps) as s (value)
	where s.value ->> 'name' = :name
	limit 1
), inner_one as (
	select exists (
		select 1
		from found f
		join workflow_versions v on v.workflow_id = f.workflow_id and v.version = f.version
		cross join json_array_elements(v.steps) as s (value)
		where starts_with(:name, (s.value ->> 'name') || '/')
			and strpos(s.value::text, to_json(regexp_replace(:name, '^.*/', ''))::text) > 0
	) as is_known
), before as (
	-- the steps that it depends on and that have not ended
	select json_agg(d.value order by d.n) as names, string_agg(d.value::text, ', ' order by d.n) as list
	from defined g
	cross join json_array_elements(case when json_typeof(g.step -> 'depends_on') = 'array' then g.step -> 'depends_on' else '[]' end)
		with ordinality as d (value, n)
	where not exists (
		select 1
		from journal j
		where j.run_id = :id
			and j.step = d.value #>> '{}'
			and j.kind in ('step.completed', 'step.failed', 'step.skipped', 'step.cancelled')
	)
), shown as (
	select f.id, f.status, f.fence + f.seq as version, x.id as execution_id, l, e, i, c.code, w.events, w.child, w.since,
		a.agent, a.until, a.words, a.since as agent_since
	from found f
	cross join waits w
	left join agent a on true
	left join bounds x on true
	left join journal l on l.run_id = :id and l.seq = x.last_seq
	left join journal e on e.run_id = :id and e.seq = x.end_seq
	left join journal i on i.run_id = :id and i.seq = x.first_seq
	-- of one that was undone, what the undoing says; else its end
	cross join lateral (select step_code(l.kind, l.data, w.kind) as code) c
)
select case when s.execution_id is not null or exists (select 1 from defined) or k.is_known then json_build_object(
		'run_id', s.id,
		'step', :name,
		'path', :name,
		'run_status', s.status,
		'status', case when s.execution_id is not null then step_status((s.l).kind) else 'pending' end,
		'code', case
			when s.execution_id is null and is_terminal(s.status) then 'NOT_REACHED'
			else s.code end,
		'message', case
			when s.code = 'WAITING_FOR_AGENT' then s.words
			when s.execution_id is not null then step_words(s.code, s.l, s.events, s.child)
			when is_terminal(s.status) then 'The run ended before it came to this step.'
			when b.list is not null then concat('It has not begun: it waits for ', b.list, '.')
			else 'It has not begun.' end,
		'since', ts(case when s.code = 'WAITING_FOR_AGENT' then s.agent_since else (s.l).at end),
		'step_execution_id', s.execution_id,
		'executions', (select count(distinct x.step_execution_id) from facts x),
		'iteration', (s.l).iteration,
		'attempt', (s.l).attempt,
		'until', coalesce(to_json(ts(s.until)), (s.l).data -> 'until'),
		'next_at', (s.l).data -> 'next_at',
		'waiting_for', s.events,
		'child_run_id', s.child,
		'agent', s.agent,
		'depends_on', coalesce(b.names, '[]'),
		'handled', (s.e).data ->> 'handled',
		'catch', ((s.e).data ->> 'catch')::int + 1,
		'error', coalesce((s.l).data -> 'error', (s.e).data -> 'error'),
		'execution', case when s.execution_id is not null then step_body(s.i, s.l, s.e, null, step_branch(s.l)) end) end as body,
	s.version,
	case when not (s.execution_id is not null or exists (select 1 from defined) or k.is_known) then 'STEP_NOT_FOUND' end as error
from shown s
cross join before b
cross join inner_one k
