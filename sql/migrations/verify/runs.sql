-- Verify millrace:runs
begin;
set local search_path = millrace, pg_temp;
select id, tenant_id, workflow_id, version, status, queued, owner_id, fence, wake_at, priority, seq, waiter, trigger_type,
	triggered_by, correlation_id, traceparent, parent_run_id, retry_count, progress, input, result, error, created_at,
	started_at, completed_at, cancelled_at, cancelled_by from runs where false;
select id, xid, tenant_id, run_id, seq, kind, step, step_execution_id, iteration, attempt, at, duration_us, data
from journal where false;
select run_id, tenant_id, seq, state from run_states where false;
select id, tenant_id, run_id, kind, data, created_at, applied_at from run_commands where false;
select id, name, host, pid, version, started_at, lease_until, metrics from engines where false;
select at, tenant_id, completed, failed, cancelled, timed_out from run_tallies where false;
select run_body(r, ''), run_time_ms(r), is_terminal(r.status) from runs r where false;
-- a partition for the ids in use, and one ahead
select 1 / (count(*) >= 2)::int from pg_inherits where inhparent = 'runs'::regclass;
select 1 / (count(*) >= 2)::int from pg_inherits where inhparent = 'journal'::regclass;
rollback;
