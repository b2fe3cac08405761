-- Deploy millrace:large_lists
-- Indexes that give each order of a list of workflows, files and events, built beside the traffic: no page sorts or
-- reads more than it shows, however many there are. Those of workflows begin with the status, because deleted ones are
-- not shown and each status is read apart.
drop index concurrently if exists millrace.workflows_listed_idx;
create index concurrently workflows_listed_idx on millrace.workflows (tenant_id, status, created_at, id);
drop index concurrently if exists millrace.workflows_named_idx;
create index concurrently workflows_named_idx on millrace.workflows (tenant_id, status, name, id);
drop index concurrently if exists millrace.workflows_updated_idx;
create index concurrently workflows_updated_idx on millrace.workflows (tenant_id, status, updated_at, id);
drop index concurrently if exists millrace.files_named_idx;
create index concurrently files_named_idx on millrace.files (tenant_id, name, id) where deleted_at is null;
drop index concurrently if exists millrace.files_sized_idx;
create index concurrently files_sized_idx on millrace.files (tenant_id, size, id) where deleted_at is null;
drop index concurrently if exists millrace.events_typed_idx;
create index concurrently events_typed_idx on millrace.events (tenant_id, event_type, published_at, id);

begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;
-- workflows_listed_idx has its place
drop index workflows_tenant_idx;

-- The runs of a workflow that are in this state, each state from the index that holds such runs alone, to be counted: it
-- is read in place by the statement that calls it.
create function runs_of(workflow bigint, state text) returns table (created_at timestamptz, correlation_id text)
language sql stable
begin atomic
	select r.created_at, r.correlation_id
	from runs r
	where r.workflow_id = runs_of.workflow
		and r.status = runs_of.state
		and runs_of.state = 'completed'
	union all
	select r.created_at, r.correlation_id
	from runs r
	where r.workflow_id = runs_of.workflow
		and r.status = runs_of.state
		and r.status in ('pending', 'running', 'paused', 'compensating')
		and runs_of.state in ('pending', 'running', 'paused', 'compensating')
	union all
	select r.created_at, r.correlation_id
	from runs r
	where r.workflow_id = runs_of.workflow
		and r.status = runs_of.state
		and r.status in ('failed', 'cancelled', 'timed_out', 'compensated')
		and runs_of.state in ('failed', 'cancelled', 'timed_out', 'compensated');
end;
grant execute on function runs_of(bigint, text) to millrace_api;

commit;
