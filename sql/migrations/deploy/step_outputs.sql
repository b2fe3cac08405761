-- Deploy millrace:step_outputs
-- Results that lie in the file store are not shown, but said to be there.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

-- A step execution: FIRST and LAST are its first and last rows, ENDED the one with which it ended,
-- GIVEN the last one with its input (all null when there is none). Rows of steps without effects
-- have only an end, so their beginning is counted back.
create or replace function step_body(first journal, last journal, ended journal, given journal, branch text) returns json
language sql stable parallel safe
return json_build_object(
	'id', last.step_execution_id,
	'step_execution_id', last.step_execution_id,
	'run_id', last.run_id,
	'execution_id', last.run_id,
	'parent_id', last.parent_id,
	'step_order', coalesce((first.data ->> 'order')::int, (last.data ->> 'order')::int, 0),
	'step_name', last.step,
	'name', last.step,
	'path', last.step,
	'step_type', coalesce(first.data ->> 'type', last.data ->> 'type'),
	'type', coalesce(first.data ->> 'type', last.data ->> 'type'),
	'status', step_status(last.kind),
	'attempt', coalesce(last.attempt, 1),
	'iteration', last.iteration,
	'retry_count', greatest(coalesce(last.attempt, 1) - 1, 0),
	'execution_time_ms', case
		when last.kind = 'step.skipped' then 0
		when first.kind in ('step.started', 'step.waiting', 'step.iterating', 'step.retrying', 'step.catching') then
			(extract(epoch from case when step_has_ended(last.kind) then ended.at else now() end - first.at) * 1000)::int8
		else coalesce(ended.duration_us, last.duration_us) / 1000 end,
	'started_at', ts(case
		when first.kind = 'step.skipped' then null
		when first.kind in ('step.started', 'step.waiting') then first.at
		else first.at - coalesce(first.duration_us, 0) * interval '1 microsecond' end),
	'completed_at', case when step_has_ended(last.kind) then ts(ended.at) end,
	'input_data', given.data -> 'input',
	'output_data', case when step_has_ended(last.kind) and ended.kind = 'step.completed' then ended.data -> 'output' end,
	'output_stored', ended.data -> 'output_ref' is not null,
	'error', case
		when last.kind in ('step.failed', 'step.retrying', 'step.catching', 'step.compensation_failed') then last.data -> 'error'
		when step_has_ended(last.kind) then ended.data -> 'error' end,
	'handled', last.data ->> 'handled',
	'reason', last.data ->> 'reason',
	'next_at', case when last.kind = 'step.retrying' then last.data -> 'next_at' end,
	'until', case when last.kind = 'step.waiting' then last.data -> 'until' end,
	'branch', coalesce(branch, last.data ->> 'branch'));

commit;
