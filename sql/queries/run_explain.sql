-- name:    run_explain
-- purpose: why a run stands where it stands, what its unfinished steps wait for, and when it may end
-- params:  id int8
-- returns: one (body json, version int8)
-- flags:   read
-- index:   journal_pkey
with found as materialized (
	select r.*
	from runs r
	where r.id = :id
), latest as (
	select j.at, j.kind, j.data
	from found f
	join journal j on j.run_id = f.id and j.seq = f.seq
), commands as (
	select json_agg(json_build_object('kind', c.kind, 'at', ts(c.created_at), 'by', c.data ->> 'by') order by c.id) as list,
		bool_or(c.kind = 'cancel') as cancels,
		(array_agg(c.kind order by c.id desc) filter (where c.kind in ('pause', 'resume')))[1] as pauses
	from (
		select k.*
		from run_commands k
		where k.run_id = :id
			and k.applied_at is null
		order by k.id
		limit 100
	) c
), paused as (
	select j.at, j.data
	from found f
	join journal j on j.run_id = f.id and j.kind = 'paused'
	where f.status = 'paused'
	order by j.seq desc
	limit 1
), executions as materialized (
	select j.step_execution_id as id, max(j.seq) as last_seq
	from journal j
	where j.run_id = (select f.id from found f where not is_terminal(f.status))
		and j.step_execution_id is not null
		and j.kind like 'step.%'
	group by j.step_execution_id
), waits as materialized (
	select w.step_execution_id as id, min(w.kind) as kind, min(w.since) as since,
		string_agg(distinct to_json(w.event_type)::text, ', ') filter (where w.kind = 'event') as events,
		max(w.child_run_id) filter (where w.kind = 'child') as child, null as agent, null as words, null::timestamptz as until
	from run_waits w
	where w.run_id = :id
	group by w.step_execution_id
	union all
	select w.step_execution_id, 'agent', w.since, null, null, w.agent, w.words, w.until
	from agent_waits(:id) w
), steps as materialized (
	select l.step, l.at, l.kind, l.data, l.attempt, l.iteration, l.step_execution_id, c.code, w.events, w.child, w.agent, w.until,
		case when c.code = 'WAITING_FOR_AGENT' then w.words else step_words(c.code, l, w.events, w.child) end as words, l.seq
	from executions x
	join journal l on l.run_id = :id and l.seq = x.last_seq
	left join waits w on w.id = x.id
	cross join lateral (select step_code(l.kind, l.data, w.kind) as code) c
	where not step_has_ended(l.kind)
	order by l.seq
	limit 100
), owner as (
	select e.id, e.name, e.host, e.lease_until, coalesce(e.lease_until > now(), false) as alive
	from found f
	left join engines e on e.id = f.owner_id
	where f.owner_id is not null
), judged as (
	select f.id,
		case
			when is_terminal(f.status) then upper(f.status)
			when k.cancels then 'CANCELLING'
			when f.status = 'paused' and k.pauses = 'resume' then 'RESUMING'
			when f.status = 'paused' then 'PAUSED'
			when k.pauses = 'pause' then 'PAUSING'
			when f.owner_id is not null and coalesce((select o.alive from owner o), false)
				and not exists (
					select 1
					from steps s
					where s.code = 'RUNNING'
						and not exists (select 1 from steps i where starts_with(i.step, s.step || '/')))
				and exists (select 1 from steps s where s.code = 'WAITING_FOR_AGENT') then 'WAITING_FOR_AGENT'
			when f.owner_id is not null and coalesce((select o.alive from owner o), false) then 'RUNNING'
			when f.owner_id is not null then 'ENGINE_LOST'
			when f.queued and not exists (select 1 from engines e where e.lease_until > now()) then 'NO_ENGINE'
			when f.queued then 'QUEUED'
			when not f.admitted then 'WAITING_FOR_LIMIT'
			when starts_later(f.status, f.wake_at) then 'SCHEDULED'
			when exists (select 1 from waits w where w.kind = 'child') then 'WAITING_FOR_CHILD'
			when exists (select 1 from waits w where w.kind = 'event') then 'WAITING_FOR_EVENT'
			when exists (select 1 from steps s where s.code = 'RETRYING') and f.wake_at is not null then 'RETRYING'
			when f.wake_at is not null then 'WAITING_FOR_TIME'
			else 'STALLED'
		end as code
	from found f
	cross join commands k
), told as (
	select f.id, j.code,
		case j.code
			when 'PAUSED' then (select p.at from paused p)
			when 'WAITING_FOR_CHILD' then (select min(w.since) from waits w)
			when 'WAITING_FOR_EVENT' then (select min(w.since) from waits w)
			when 'WAITING_FOR_AGENT' then (select min(a.since) from waits a where a.kind = 'agent')
			when 'SCHEDULED' then f.created_at
			else coalesce(case when is_terminal(f.status) then f.completed_at end, (select l.at from latest l), f.created_at)
		end as since,
		case j.code
			when 'QUEUED' then queue_position(f)
			when 'NO_ENGINE' then queue_position(f)
			when 'WAITING_FOR_LIMIT' then limit_position(f)
		end as place
	from found f
	join judged j on j.id = f.id
)
select json_build_object(
	'run_id', f.id,
	'workflow_id', f.workflow_id,
	'workflow_name', (select w.name from workflows w where w.id = f.workflow_id),
	'version', f.version,
	'status', f.status,
	'is_terminal', is_terminal(f.status),
	'code', t.code,
	'message', case t.code
		when 'COMPLETED' then 'It has ended well.'
		when 'FAILED' then concat('It has failed: ', coalesce(f.error ->> 'message', 'no reason is known'))
		when 'CANCELLED' then concat('It was cancelled', ' by ' || f.cancelled_by, '.')
		when 'TIMED_OUT' then 'It took longer than it may.'
		when 'COMPENSATED' then concat('It failed, and what its steps did was undone: ', coalesce(f.error ->> 'message', ''))
		when 'CANCELLING' then 'It was told to cancel; the engine has not done it yet.'
		when 'RESUMING' then 'It was told to go on; the engine has not done it yet.'
		when 'PAUSED' then concat('It is paused', (select ' by ' || (p.data ->> 'by') from paused p),
			', since ' || ts(t.since), (select ': ' || (p.data ->> 'reason') from paused p), '.')
		when 'PAUSING' then 'It was told to pause; the engine has not done it yet.'
		when 'WAITING_FOR_AGENT' then (select s.words from steps s where s.code = 'WAITING_FOR_AGENT' order by s.seq limit 1)
		when 'RUNNING' then concat('Engine ', (select o.name || ' on ' || o.host from owner o), ' has it in hand.')
		when 'ENGINE_LOST' then 'The engine that had it in hand is gone; another one takes it over when the lease has ended.'
		when 'NO_ENGINE' then 'It is queued, and no engine is alive.'
		when 'QUEUED' then concat('It is queued, at place ', t.place, ' of its tenant.')
		when 'WAITING_FOR_LIMIT' then concat('As many runs as may run at once (', f.limit_max, ') do; it is at place ', t.place,
			' of those that wait.')
		when 'SCHEDULED' then concat('It starts at ', ts(f.wake_at), '.')
		when 'WAITING_FOR_CHILD' then concat('It waits for run ', (select string_agg(w.child::text, ', ') from waits w where w.kind = 'child'),
			', since ', ts(t.since), '.')
		when 'WAITING_FOR_EVENT' then concat('It waits for ', (select string_agg(w.events, ', ') from waits w where w.kind = 'event'),
			', since ', ts(t.since), '.')
		when 'RETRYING' then concat('A step failed and is tried again at ', ts(f.wake_at), '.')
		when 'WAITING_FOR_TIME' then concat('It waits until ', ts(f.wake_at), '.')
		else 'Nothing moves it; that is an error, which the engines find and repair.' end,
	'since', ts(t.since),
	'position', t.place,
	'wake_at', ts(f.wake_at),
	'owner', (select json_build_object('engine_id', o.id, 'name', o.name, 'host', o.host, 'alive', o.alive,
		'lease_until', ts(o.lease_until)) from owner o),
	'limit', case when f.limit_key is not null then json_build_object('key', f.limit_key, 'most', f.limit_max,
		'taken', places_taken(f.limit_key), 'admitted', f.admitted) end,
	'pending_commands', coalesce((select k.list from commands k), '[]'),
	'progress', f.progress,
	'eta', run_eta(f),
	'error', f.error,
	'steps', coalesce((
		select json_agg(json_build_object('step', s.step, 'path', s.step, 'step_execution_id', s.step_execution_id,
			'iteration', s.iteration, 'attempt', coalesce(s.attempt, 1), 'code', s.code, 'message', s.words, 'since', ts(s.at),
			'until', coalesce(to_json(ts(s.until)), s.data -> 'until'), 'next_at', s.data -> 'next_at', 'waiting_for', s.events,
			'child_run_id', s.child, 'agent', s.agent,
			'error', s.data -> 'error') order by s.seq)
		from steps s), '[]')) as body,
	f.fence + f.seq as version
from found f
join told t on t.id = f.id
