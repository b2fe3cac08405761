-- Verify millrace:lock_order
begin;
set local search_path = millrace, pg_temp;
select 1 / has_function_privilege('millrace_api', 'tell_event(events)', 'execute')::int;
select 1 / (count(*) = 0)::int
from pg_proc p
where p.pronamespace = 'millrace'::regnamespace
	and p.prosecdef
	and (p.proacl is null or exists (select 1 from aclexplode(p.proacl) a where a.grantee = 0));
rollback;
