-- Verify millrace:blocks_events
begin;
set local search_path = millrace, pg_temp;
select parent_id from journal where false;
select mode, saga_type, saga_label, rerun_of, parent_step_execution_id, awaits, vars, limit_key, limit_max, on_full, admitted
from runs where false;
select retention_days from workflows where false;
select run_id, step_execution_id, tenant_id, step, kind, event_type, child_run_id, since, checked from run_waits where false;
select parent_run_id, step_execution_id, attempt, child_run_id, tenant_id, cascades from run_children where false;
select id, tenant_id, event_type, source, data, correlation_id, published_at, published_by, run_id, run_fact_id, offer
from events where false;
select run_id, event_type, tenant_id, offer from run_event_marks where false;
select 1 / has_function_privilege('millrace_engine', f, 'execute')::int
from unnest('{millrace.dispatch_events(int),"millrace.check_waits(bigint[],bigint[])",millrace.notify_parents(bigint[]),"millrace.mend(text,int)",millrace.requeue_released(bigint[])}'::text[]) as f;
select 1 / has_function_privilege('millrace_api', 'millrace.publish_event(bigint,text,text,json,text,text)', 'execute')::int;
select 1 / (not has_function_privilege('millrace_api', f, 'execute'))::int
from unnest('{millrace.dispatch_events(int),"millrace.cancel_children(bigint[],bigint[])","millrace.request_slot(bigint,bigint,text,int,text)","millrace.expire_runs(bigint,int,int)"}'::text[]) as f;
-- definer functions can't be led astray by a search path
select 1 / (count(*) = 0)::int
from pg_proc
where pronamespace = 'millrace'::regnamespace
	and prosecdef
	and not coalesce(proconfig @> array['search_path=millrace, pg_temp'], false);
rollback;
