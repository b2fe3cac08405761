-- Verify millrace:waits_told
begin;
set local search_path = millrace, pg_temp;
select 1 / has_column_privilege('millrace_engine', 'run_waits', c, 'update')::int
from unnest('{checked,since}'::text[]) as c;
rollback;
