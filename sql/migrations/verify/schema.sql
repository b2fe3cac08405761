-- Verify millrace:schema
begin;
set local search_path = millrace, pg_temp;
select current_tenant(), ts(now()), us(now()), from_us(0);
select 1 / has_schema_privilege('millrace_api', 'millrace', 'usage')::int;
select 1 / has_schema_privilege('millrace_engine', 'millrace', 'usage')::int;
select 1 / (not has_schema_privilege('millrace_api', 'millrace', 'create'))::int;
rollback;
