-- Deploy millrace:explain
-- Why a run or a step stands where it stands: codes (docs/explain.md has them all) and words.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

-- Of a step execution by its last fact; WAITS: what it is registered to wait for.
create function step_code(kind text, data json, waits text) returns text
language sql immutable parallel safe
return case
	when kind is null then 'NOT_STARTED'
	when kind = 'step.waiting' and waits = 'event' then 'WAITING_FOR_EVENT'
	when kind in ('step.waiting', 'step.started') and waits = 'child' then 'WAITING_FOR_CHILD'
	when kind = 'step.waiting' then 'WAITING_FOR_TIME'
	when kind = 'step.retrying' then 'RETRYING'
	when kind = 'step.catching' then 'CATCHING'
	when kind in ('step.started', 'step.iterating') then 'RUNNING'
	when kind = 'step.completed' and data -> 'error' is not null then 'COMPLETED_BY_CATCH'
	when kind = 'step.failed' and data ->> 'handled' is not null then 'FAILED_HANDLED'
	else upper(substr(kind, 6)) end;

-- The same for people.
create function step_words(code text, last journal, events text, child bigint) returns text
language sql stable parallel safe
return case code
	when 'WAITING_FOR_EVENT' then concat('It waits for ', coalesce(events, 'an event'), ', since ', ts(last.at),
		', until ' || (last.data ->> 'until'), '.')
	when 'WAITING_FOR_CHILD' then concat('It waits for run ', child, ', which it started, since ', ts(last.at), '.')
	when 'WAITING_FOR_TIME' then concat('It waits until ', coalesce(last.data ->> 'until', 'a time'), '.')
	when 'RETRYING' then concat('Attempt ', coalesce(last.attempt, 1), ' failed and it will be tried again at ', last.data ->> 'next_at', ': ',
		last.data -> 'error' ->> 'message')
	when 'CATCHING' then concat('It failed, and entry ', coalesce((last.data ->> 'catch')::int, 0) + 1, ' of its catch handles that: ',
		last.data -> 'error' ->> 'message')
	when 'RUNNING' then concat('It runs, attempt ', coalesce(last.attempt, 1), ', since ', ts(last.at), '.')
	when 'COMPLETED' then 'It completed.'
	when 'COMPLETED_BY_CATCH' then concat('It failed, and its catch put that right: ', last.data -> 'error' ->> 'message')
	when 'FAILED' then concat('It failed in attempt ', coalesce(last.attempt, 1), ': ', last.data -> 'error' ->> 'message')
	when 'FAILED_HANDLED' then concat('It failed, and ', case last.data ->> 'handled'
			when 'catch' then 'entry ' || coalesce((last.data ->> 'catch')::int, 0) + 1 || ' of its catch says how it goes on: '
			else 'on_error says to go on: ' end, last.data -> 'error' ->> 'message')
	when 'SKIPPED' then case last.data ->> 'reason'
		when 'when' then 'It was skipped: its condition was false.'
		when 'path_not_taken' then 'It was skipped: the run went another way.'
		when 'join' then 'It was skipped: what its join asks of the steps before it can not come any more.'
		when 'cancel_rest' then 'It was skipped: another one was first, and the rest was not wanted any more.'
		else concat('It was skipped: ', last.data ->> 'reason') end
	when 'CANCELLED' then case last.data ->> 'reason'
		when 'cancelled' then 'It was cancelled with the run.'
		when 'failed' then 'It was cancelled: a step beside it failed.'
		when 'timed_out' then 'It was cancelled: the time of the run or of the step that holds it was over.'
		when 'cancel_rest' then 'It was cancelled: another one was first, and the rest was not wanted any more.'
		else concat('It was cancelled: ', last.data ->> 'reason') end
	when 'COMPENSATED' then 'It completed, and was undone because the run failed.'
	when 'COMPENSATION_FAILED' then concat('It completed, and could not be undone: ', last.data -> 'error' ->> 'message')
	else null end;

-- How long the last completed runs of a workflow took, in seconds, the newest first: at most so many.
create function durations(workflow bigint, most int) returns setof double precision
language sql stable
begin atomic
	select extract(epoch from c.completed_at - c.started_at)::double precision
	from (
		select r.status, r.started_at, r.completed_at, r.created_at
		from runs r
		where r.workflow_id = workflow
		order by r.created_at desc, r.id desc
		limit most * 4
	) c
	where c.status = 'completed'
		and c.started_at is not null
	order by c.created_at desc
	limit most;
end;

-- When a run will have ended, as runs of its workflow did that took longer than this one did so far.
create function run_eta(r runs) returns json
language sql stable
begin atomic
	select case when count(d) > 0 then json_build_object(
		'p50', ts(coalesce(r.started_at, now()) + percentile_cont(0.5) within group (order by d) * interval '1 second'),
		'p90', ts(coalesce(r.started_at, now()) + percentile_cont(0.9) within group (order by d) * interval '1 second'),
		'based_on', count(d)) end
	from durations(r.workflow_id, 100) d
	where r.status in ('pending', 'running', 'compensating')
		and d > extract(epoch from now() - coalesce(r.started_at, now()));
end;

-- Where a queued run stands among those of its tenant, from 1.
create function queue_position(r runs) returns bigint
language sql stable
begin atomic
	select 1 + count(*)
	from (
		select 1
		from runs q
		where q.queued
			and q.tenant_id = r.tenant_id
			and (q.priority > r.priority or q.priority = r.priority and q.id < r.id)
		limit 10000
	) before;
end;

-- Where a run that waits under a limit stands among those that do, from 1.
create function limit_position(r runs) returns bigint
language sql stable
begin atomic
	select 1 + count(*)
	from runs q
	where q.limit_key = r.limit_key
		and not q.admitted
		and q.status in ('pending', 'running', 'paused', 'compensating')
		and (q.priority > r.priority or q.priority = r.priority and q.id < r.id);
end;

grant execute on function step_code(text, json, text), step_words(text, journal, text, bigint), durations(bigint, int), run_eta(runs),
	queue_position(runs), limit_position(runs), places_taken(text) to millrace_api;
-- a run that is taken up again asks for its place anew
grant update (limit_key, limit_max, on_full, admitted, awaits) on runs to millrace_api;

commit;
