-- Verify millrace:row_level_security
begin;
-- every table with a tenant is behind the wall, for its owner too
select 1 / (count(*) = 0)::int
from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
where c.relnamespace = 'millrace'::regnamespace
	and c.relkind in ('r', 'p')
	and not (c.relrowsecurity and c.relforcerowsecurity);
-- and nobody steps over it
select 1 / (count(*) = 0)::int
from pg_roles
where rolname in ('millrace_owner', 'millrace_api', 'millrace_engine')
	and (rolsuper or rolbypassrls);
select 1 / (not has_table_privilege('millrace_api', 'millrace.audit_logs', 'update, delete, truncate'))::int;
select 1 / (not has_table_privilege('millrace_engine', 'millrace.audit_logs', 'select, insert, update, delete, truncate'))::int;
select 1 / (not has_table_privilege('millrace_api', 'millrace.runs', 'delete, truncate'))::int;
rollback;
