-- Verify millrace:audit_trail
begin;
set local search_path = millrace, pg_temp;
select outcome from audit_logs where false;
select 1 / (to_regclass('audit_logs_at_idx') is not null)::int;
select 1 / (has_function_privilege('millrace_api', 'audit_stranger(bytea, text, bigint, text, int, int, text, text)', 'execute'))::int;
select 1 / (count(*) = 1)::int from pg_trigger where tgname = 'audit_logs_append_only' and tgenabled = 'O';
rollback;
