-- Verify millrace:step_outputs
begin;
set local search_path = millrace, pg_temp;
select 1 / (pg_get_function_sqlbody(p.oid) ~ 'output_stored')::int
from pg_proc p
where p.proname = 'step_body' and p.pronamespace = 'millrace'::regnamespace;
rollback;
