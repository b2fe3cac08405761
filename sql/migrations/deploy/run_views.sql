-- Deploy millrace:run_views
-- How step executions and sagas look, for the statements that show them.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

-- The status of a step execution whose last fact is of this kind.
create function step_status(kind text) returns text
language sql immutable parallel safe
return case
	when kind in ('step.started', 'step.iterating', 'step.catching') then 'running'
	when kind in ('step.waiting', 'step.retrying') then 'waiting'
	when kind = 'step.compensation_failed' then 'completed'
	else substr(kind, 6) end;

create function step_has_ended(kind text) returns boolean
language sql immutable parallel safe
return kind in ('step.completed', 'step.failed', 'step.cancelled', 'step.skipped', 'step.compensated', 'step.compensation_failed');

-- A step execution: FIRST and LAST are its first and last rows, ENDED the one with which it ended,
-- GIVEN the last one with its input (all null when there is none). Rows of steps without effects
-- have only an end, so their beginning is counted back.
create function step_body(first journal, last journal, ended journal, given journal, branch text) returns json
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
	'error', case
		when last.kind in ('step.failed', 'step.retrying', 'step.catching', 'step.compensation_failed') then last.data -> 'error'
		when step_has_ended(last.kind) then ended.data -> 'error' end,
	'handled', last.data ->> 'handled',
	'reason', last.data ->> 'reason',
	'next_at', case when last.kind = 'step.retrying' then last.data -> 'next_at' end,
	'until', case when last.kind = 'step.waiting' then last.data -> 'until' end,
	'branch', coalesce(branch, last.data ->> 'branch'));

-- The branch of the parallel step that holds this step, which its path tells; null elsewhere.
-- "between", because an equality would be merged with the next one, and the index's condition lost.
create function step_branch(j journal) returns text
language sql stable parallel safe
return case when j.parent_id is not null then (
	select split_part(substr(j.step, length(h.step) + 2), '/', 1)
	from journal h
	where h.id between j.parent_id and j.parent_id
		and h.id = h.step_execution_id
		and h.data ->> 'type' = 'parallel') end;

-- A run as a saga: JSON, as text. STEPS is JSON too.
create function saga_body(r runs, workflow_name text, steps text) returns text
language sql stable parallel safe
return concat(
	'{"id":', r.id,
	',"saga_id":', r.id,
	',"run_id":', r.id,
	',"execution_id":', r.id,
	',"workflow_id":', r.workflow_id,
	',"workflow_name":', quoted(workflow_name),
	',"version":', r.version,
	',"saga_type":', quoted(r.saga_type),
	',"tenant_id":', quoted(r.saga_label),
	',"correlation_id":', quoted(r.correlation_id),
	',"status":"', r.status,
	'","is_terminal":', is_terminal(r.status)::text,
	',"progress":', r.progress,
	',"input_data":', r.input,
	',"result_data":', coalesce(r.result::text, 'null'),
	',"error":', coalesce(r.error::text, 'null'),
	',"created_at":', quoted(r.created_at),
	',"started_at":', quoted(r.started_at),
	',"completed_at":', quoted(r.completed_at),
	',"steps":', steps,
	'}');

grant execute on function step_status(text), step_has_ended(text), step_body(journal, journal, journal, journal, text),
	step_branch(journal), saga_body(runs, text, text) to millrace_api;
-- an execution that is there already becomes a saga; its correlation id is the saga's
grant update (mode, saga_type, saga_label, correlation_id) on runs to millrace_api;

commit;
