-- Verify millrace:maintenance_functions
begin;
select 1 / has_function_privilege('millrace_engine', f, 'execute')::int
from unnest('{millrace.housekeeping(),millrace.partitions_ensure()}'::text[]) as f;
select 1 / has_function_privilege('millrace_api', f, 'execute')::int
from unnest('{"millrace.estimate_runs(bigint,text[])",millrace.health_figures(),millrace.metrics_figures()}'::text[]) as f;
select 1 / (not has_function_privilege('millrace_api', 'millrace.partitions_drop(interval)', 'execute'))::int;
-- definer functions can't be led astray by a search path
select 1 / (count(*) = 0)::int
from pg_proc
where pronamespace = 'millrace'::regnamespace
	and prosecdef
	and not coalesce(proconfig @> array['search_path=millrace, pg_temp'], false);
rollback;
