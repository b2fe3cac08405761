-- Deploy millrace:runs
-- One row a run, and the append-only journal of what happened to it. Both are partitioned by run
-- id with the same bounds: few, large partitions, made ahead by partitions_ensure(). No foreign
-- keys lead here.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

-- Run ids, drawn by the API's statements.
create sequence run_id_seq;
-- Journal ids: one nextval is a block of 1000 (base … base + 999). Engines draw blocks; a row
-- that the API writes uses the base alone.
create sequence journal_id_seq increment by 1000;

create table engines (
	id bigint generated always as identity primary key,
	name text not null,
	host text not null,
	pid int not null,
	version text not null,
	started_at timestamptz not null default now(),
	lease_until timestamptz not null,           -- past it, others take over its runs
	metrics jsonb not null default '{}'         -- its counters, written with each renewal
) with (fillfactor = 50);

create table runs (
	id bigint not null,
	tenant_id bigint not null,
	workflow_id bigint not null,
	version int not null,                       -- of the workflow; never changes
	status text not null default 'pending',
	queued boolean not null default true,       -- an engine may claim it now
	owner_id bigint,                            -- engines.id while an engine holds it
	fence bigint not null default 0,            -- +1 at every claim, command and takeover
	wake_at timestamptz,                        -- released until then
	priority smallint not null default 0,       -- higher first
	seq int not null,                           -- last journal seq of the run
	waiter text,                                -- API worker whose client waits for the end
	trigger_type text not null,
	triggered_by text,
	correlation_id text,
	traceparent text,
	parent_run_id bigint,
	retry_count int not null default 0,
	progress smallint not null default 0,       -- percent
	input json not null default '{}',
	result json,
	error json,
	created_at timestamptz not null default now(),
	started_at timestamptz,
	completed_at timestamptz,
	cancelled_at timestamptz,
	cancelled_by text,
	primary key (id),
	constraint runs_status_check check (status in ('pending', 'running', 'paused', 'completed',
		'failed', 'cancelled', 'timed_out', 'compensating', 'compensated'))
) partition by range (id);
-- Read backwards it gives: higher priority first, within it tenant by tenant, within that the
-- oldest first.
create index runs_queued_idx on runs (priority, tenant_id, id desc) where queued;
create index runs_wake_idx on runs (wake_at) where wake_at is not null;
create index runs_owner_idx on runs (owner_id) where owner_id is not null;
-- For lists, newest first. By created_at, not by id: an order that the primary key could give as
-- well would make the planner read that one backwards and throw away what other tenants own.
create index runs_tenant_idx on runs (tenant_id, created_at, id);
create index runs_workflow_idx on runs (workflow_id, created_at, id);
create index runs_status_idx on runs (tenant_id, status, created_at, id);
create index runs_active_idx on runs (workflow_id, id)
	where status in ('pending', 'running', 'paused', 'compensating');
create index runs_correlation_idx on runs (tenant_id, correlation_id) where correlation_id is not null;

-- The engine's snapshot of a run, written when it lets go of it; the journal's rows with a
-- higher seq come on top.
create table run_states (
	run_id bigint primary key,
	tenant_id bigint not null,
	seq int not null,
	state json not null
) with (fillfactor = 80);

create table journal (
	id bigint not null,
	xid xid8 not null default pg_current_xact_id(),
	tenant_id bigint not null,
	run_id bigint not null,
	seq int not null,                           -- dense within the run
	kind text not null,
	step text,
	step_execution_id bigint,                   -- id of the first row of this step execution
	iteration int,
	attempt int,
	at timestamptz not null,
	duration_us bigint,
	data json,
	primary key (run_id, seq)
) partition by range (run_id);
create index journal_tail_idx on journal (xid, id);
create index journal_step_idx on journal (id) where id = step_execution_id;

-- Cancel, pause and resume, for the engine that holds the run or claims it next.
create table run_commands (
	id bigint generated always as identity primary key,
	tenant_id bigint not null,
	run_id bigint not null,
	kind text not null,
	data json not null default '{}',            -- {"reason", "by"}
	created_at timestamptz not null default now(),
	applied_at timestamptz,
	constraint run_commands_kind_check check (kind in ('cancel', 'pause', 'resume'))
);
create index run_commands_pending_idx on run_commands (run_id, id) where applied_at is null;

-- Ended runs by tenant: one row a flush, folded by housekeeping into one an hour.
create table run_tallies (
	at timestamptz not null,
	tenant_id bigint not null,
	completed int not null default 0,
	failed int not null default 0,
	cancelled int not null default 0,
	timed_out int not null default 0
);
create index run_tallies_idx on run_tallies (at);

-- Attaches the partitions of the runs from P * 20 million on. Made apart and then attached,
-- because that locks out nobody. Rows behind the wall are reached through the parent only, so
-- the partition itself denies everybody.
create function partition_make(p bigint) returns void
language plpgsql
as $$
declare
	size constant bigint := 20000000;
	parent text;
	part text;
begin
	foreach parent in array '{runs,journal}'::text[] loop
		part := format('%s_p%s', parent, p);
		continue when to_regclass(format('millrace.%I', part)) is not null;
		execute format('create table millrace.%I (like millrace.%I including defaults including constraints
				including storage including compression)
			with (fillfactor = %s, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02)',
			part, parent, case parent when 'runs' then 80 else 100 end);
		execute format('alter table millrace.%I enable row level security, force row level security', part);
		execute format('alter table millrace.%I attach partition millrace.%I for values from (%s) to (%s)',
			parent, part, p * size, (p + 1) * size);
	end loop;
end
$$;

-- Keeps at least one whole partition ahead of the ids in use. Gives back how many it made.
create function partitions_ensure() returns int
language plpgsql security definer set search_path = millrace, pg_temp
as $$
declare
	size constant bigint := 20000000;
	current bigint := (select coalesce(last_value, 0) / size from run_id_seq);
	p bigint;
	made int := 0;
begin
	for p in select generate_series(current, current + 1) loop
		if to_regclass(format('millrace.runs_p%s', p)) is null
			or to_regclass(format('millrace.journal_p%s', p)) is null
		then
			perform pg_advisory_xact_lock(hashtext('millrace.partitions'));
			perform partition_make(p);
			made := made + 1;
		end if;
	end loop;
	return made;
end
$$;

do $$
begin
	perform partitions_ensure();
end
$$;

-- "workflow.step.completed": the event's name in live frames and in the history.
create function event_name(kind text) returns text
language sql immutable parallel safe
return 'workflow.' || kind;

create function log_level(kind text, data json) returns text
language sql immutable parallel safe
return case
	when kind = 'log' then coalesce(lower(data ->> 'level'), 'info')
	when kind in ('failed', 'timed_out', 'step.failed') then 'error'
	when kind in ('cancelled', 'step.cancelled', 'step.retrying', 'paused') then 'warning'
	when kind in ('step.started', 'step.waiting', 'step.skipped') then 'debug'
	else 'info' end;

-- A journal row as a line for people.
create function log_message(kind text, step text, attempt int, data json) returns text
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

create function is_terminal(status text) returns boolean
language sql immutable parallel safe
return status in ('completed', 'failed', 'cancelled', 'timed_out', 'compensated');

-- From start to end, or till now.
-- It has a run_at that has not come yet.
create function starts_later(status text, wake_at timestamptz) returns boolean
language sql stable parallel safe
return status = 'pending' and coalesce(wake_at > now(), false);

create function run_time_ms(r runs) returns bigint
language sql stable parallel safe
return (extract(epoch from coalesce(r.completed_at, now()) - r.started_at) * 1000)::bigint;

-- The run as every single answer shows it: JSON, as text.
create function run_body(r runs, workflow_name text) returns text
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

-- Grave enough for a list of lines of LEAST or graver.
create function log_rank(level text) returns int
language sql immutable parallel safe
return case level when 'debug' then 0 when 'info' then 1 when 'warning' then 2 else 3 end;

grant execute on function event_name(text), log_level(text, json), log_message(text, text, int, json),
	log_rank(text), is_terminal(text), starts_later(text, timestamptz), run_time_ms(runs), run_body(runs, text) to millrace_api;
grant execute on function partitions_ensure() to millrace_engine;

commit;
