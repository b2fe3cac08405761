-- Revert millrace:blocks_events
begin;
set local role millrace_owner;
set local search_path = millrace, pg_temp;

create or replace function log_level(kind text, data json) returns text
language sql immutable parallel safe
return case
	when kind = 'log' then coalesce(lower(data ->> 'level'), 'info')
	when kind in ('failed', 'timed_out', 'step.failed') then 'error'
	when kind in ('cancelled', 'step.cancelled', 'step.retrying', 'paused') then 'warning'
	when kind in ('step.started', 'step.waiting', 'step.skipped') then 'debug'
	else 'info' end;

create or replace function log_message(kind text, step text, attempt int, data json) returns text
language sql stable parallel safe
return case kind
	when 'log' then data ->> 'message'
	when 'created' then 'Run created by trigger ' || coalesce(data ->> 'trigger_type', 'manual')
	when 'started' then 'Run started'
	when 'step.started' then format('Step "%s" started, attempt %s', step, coalesce(attempt, 1))
	when 'step.waiting' then format('Step "%s" waits until %s', step, data ->> 'until')
	when 'step.completed' then format('Step "%s" completed', step)
	when 'step.failed' then format('Step "%s" failed: %s', step, data -> 'error' ->> 'message')
	when 'step.retrying' then format('Step "%s" failed and will be tried again at %s: %s', step,
		data ->> 'next_at', data -> 'error' ->> 'message')
	when 'step.skipped' then format('Step "%s" skipped: %s', step, data ->> 'reason')
	when 'step.cancelled' then format('Step "%s" cancelled', step)
	when 'paused' then 'Run paused'
	when 'resumed' then 'Run resumed'
	when 'completed' then 'Run completed'
	when 'failed' then 'Run failed: ' || coalesce(data -> 'error' ->> 'message', 'unknown reason')
	when 'cancelled' then 'Run cancelled' || coalesce(': ' || (data ->> 'reason'), '')
	when 'timed_out' then 'Run timed out'
	when 'retried' then 'Run retried'
	else kind end;

create or replace function run_body(r runs, workflow_name text) returns text
language sql stable parallel safe
return concat(
	'{"id":', r.id,
	',"run_id":', r.id,
	',"execution_id":', r.id,
	',"workflow_id":', r.workflow_id,
	',"workflow_definition_id":', r.workflow_id,
	',"workflow_name":', quoted(workflow_name),
	',"version":', r.version,
	',"status":"', r.status,
	'","is_terminal":', is_terminal(r.status)::text,
	',"trigger_type":"', r.trigger_type,
	'","triggered_by":', quoted(r.triggered_by),
	',"input_data":', r.input,
	',"result_data":', coalesce(r.result::text, 'null'),
	',"error":', coalesce(r.error::text, 'null'),
	',"retry_count":', r.retry_count,
	',"execution_time_ms":', coalesce(run_time_ms(r)::text, 'null'),
	',"progress":', r.progress,
	',"priority":', r.priority,
	',"created_at":', quoted(r.created_at),
	',"started_at":', quoted(r.started_at),
	',"completed_at":', quoted(r.completed_at),
	',"cancelled_at":', quoted(r.cancelled_at),
	',"cancelled_by":', quoted(r.cancelled_by),
	',"wake_at":', quoted(r.wake_at),
	',"correlation_id":', quoted(r.correlation_id),
	',"parent_run_id":', coalesce(r.parent_run_id::text, 'null'),
	'}');

create or replace function workflows_render() returns trigger
language plpgsql
as $$
begin
	new.rendered_summary := members(json_build_object(
		'id', new.id,
		'name', new.name,
		'description', new.description,
		'status', new.status,
		'is_enabled', new.status in ('active', 'paused'),
		'version', new.version,
		'tags', new.tags,
		'timeout_seconds', new.timeout_seconds,
		'max_retries', new.max_retries,
		'trigger_on_file_upload', new.trigger_on_file_upload,
		'trigger_file_extensions', new.trigger_file_extensions,
		'created_by', new.created_by,
		'created_at', ts(new.created_at),
		'updated_at', ts(new.updated_at),
		'deleted_at', ts(new.deleted_at)));
	new.rendered_details := members(json_build_object(
		'trigger_config', new.trigger_config,
		'input_schema', new.input_schema));
	return new;
end
$$;
update workflows set revision = revision;

drop function is_retryable(text);
drop function expire_events(int, int);
drop function expire_runs(bigint, int, int);
drop function mend(text, int);
drop function admit_next(text[]);
drop function request_slot(bigint, bigint, text, int, text);
drop function admit_waiting(text, bigint);
drop function places_taken(text);
drop function lock_limit(text);
drop function cancel_children(bigint[], bigint[]);
drop function cancel_runs(bigint[], text);
drop function spawn_run(bigint, bigint, bigint, bigint, int, text, int, json, boolean);
drop function notify_parents(bigint[]);
drop function check_waits(bigint[], bigint[]);
drop function check_children(bigint[], bigint[], bigint[]);
drop function tell_parents(bigint[]);
drop function dispatch_events(int);
drop function publish_event(bigint, text, text, json, text, text);
drop function offer_event(events);
drop function event_command(events);
drop function lock_event(bigint, text);
drop function requeue_released(bigint[]);
drop function wake_runs(bigint[]);
drop function command_moves(text, text, boolean, timestamptz);
revoke execute on function starts_later(text, timestamptz), is_terminal(text) from millrace_engine;

drop table run_event_marks, events, run_children, run_waits;
drop sequence event_offer_seq, event_id_seq;

delete from run_commands where kind not in ('cancel', 'pause', 'resume');
alter table run_commands
	drop constraint run_commands_kind_check,
	add constraint run_commands_kind_check check (kind in ('cancel', 'pause', 'resume'));
drop index runs_limit_idx, runs_saga_idx, runs_parent_idx;
-- those that waited under a limit go on
update runs set queued = true
where not admitted and owner_id is null and status in ('pending', 'running', 'compensating');
alter table runs
	drop column mode,
	drop column saga_type,
	drop column saga_label,
	drop column rerun_of,
	drop column parent_step_execution_id,
	drop column awaits,
	drop column vars,
	drop column limit_key,
	drop column limit_max,
	drop column on_full,
	drop column admitted;
alter table workflows drop column retention_days;
alter table journal drop column parent_id;

commit;
