-- Verify millrace:explain
begin;
set local search_path = millrace, pg_temp;
select step_words(step_code(j.kind, j.data, null), j, null, null) from journal j where false;
select run_eta(r), queue_position(r), limit_position(r) from runs r where false;
select 1 / has_function_privilege('millrace_api', 'millrace.durations(bigint,int)', 'execute')::int;
rollback;
