-- Revert millrace:log_lines
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

create or replace function log_level(kind text, data json) returns text
language sql immutable parallel safe
return case
	when kind = 'log' then coalesce(lower(data ->> 'level'), 'info')
	when kind in ('failed', 'timed_out', 'step.failed', 'step.compensation_failed') then 'error'
	when kind in ('cancelled', 'step.cancelled', 'step.retrying', 'step.catching', 'paused', 'compensating', 'compensated',
		'step.compensated') then 'warning'
	when kind in ('step.started', 'step.waiting', 'step.skipped', 'step.iterating', 'finishing', 'variables') then 'debug'
	else 'info' end;

create or replace function log_message(kind text, step text, attempt int, data json) returns text
language sql stable parallel safe
return case kind
	when 'log' then data ->> 'message'
	when 'created' then 'Run created by trigger ' || coalesce(data ->> 'trigger_type', 'manual')
	when 'started' then 'Run started'
	when 'step.started' then format('Step "%s" started, attempt %s', step, coalesce(attempt, 1))
	when 'step.waiting' then case
		when data ->> 'until' is not null then format('Step "%s" waits until %s', step, data ->> 'until')
		when data ->> 'child_run_id' is not null then format('Step "%s" waits for run %s', step, data ->> 'child_run_id')
		else format('Step "%s" waits', step) end
	when 'step.iterating' then format('Step "%s" goes on with its next round', step)
	when 'step.completed' then format('Step "%s" completed', step)
	when 'step.failed' then format('Step "%s" failed: %s', step, data -> 'error' ->> 'message')
	when 'step.retrying' then format('Step "%s" failed and will be tried again at %s: %s', step,
		data ->> 'next_at', data -> 'error' ->> 'message')
	when 'step.catching' then format('Step "%s" failed and handles it: %s', step, data -> 'error' ->> 'message')
	when 'step.skipped' then format('Step "%s" skipped: %s', step, data ->> 'reason')
	when 'step.cancelled' then format('Step "%s" cancelled', step)
	when 'step.compensated' then format('Step "%s" compensated', step)
	when 'step.compensation_failed' then format('Step "%s" could not be compensated: %s', step, data -> 'error' ->> 'message')
	when 'signalled' then format('Run got %s', coalesce(to_json(data ->> 'type')::text, 'an event'))
	when 'variables' then 'Variables changed'
	when 'paused' then 'Run paused'
	when 'resumed' then 'Run resumed'
	when 'finishing' then 'Run does what is to be done at its end'
	when 'compensating' then 'Run undoes what its steps did'
	when 'compensated' then 'Run compensated'
	when 'completed' then 'Run completed'
	when 'failed' then 'Run failed: ' || coalesce(data -> 'error' ->> 'message', 'unknown reason')
	when 'cancelled' then 'Run cancelled' || coalesce(': ' || (data ->> 'reason'), '')
	when 'timed_out' then 'Run timed out'
	when 'retried' then 'Run retried'
	else kind end;

commit;
