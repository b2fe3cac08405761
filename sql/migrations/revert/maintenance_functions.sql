-- Revert millrace:maintenance_functions
begin;
set local role millrace_owner;
set local search_path = millrace, pg_temp;
drop function metrics_figures();
drop function health_figures();
drop function estimate_runs(bigint, text[]);
drop function partitions_drop(interval);
drop function housekeeping();
commit;
