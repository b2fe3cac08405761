-- Verify millrace:people
begin;
set local search_path = millrace, pg_temp;
select status, is_platform, revision from tenants where false;
select description, deleted_at, revision from principals where false;
select id, tenant_id, name, roles, revision from groups where false;
select is_platform from auth_by_key('');
select 1 / (has_function_privilege('millrace_api', 'is_platform()', 'execute')
	and not has_function_privilege('millrace_api', 'keep_an_admin()', 'execute')
	and not has_column_privilege('millrace_api', 'tenants', 'is_platform', 'update')
	and not has_column_privilege('millrace_api', 'principals', 'tenant_id', 'update'))::int;
select 1 / (count(*) = 3)::int from pg_trigger where tgname like '%keep_an_admin';
rollback;
