-- Verify millrace:template_runs
begin;
set local role millrace_owner;
set local search_path = millrace, pg_temp;
select template_id, tenant_id, outcome, n, sum_us, max_us, last_at from template_runs where false;
select 1 / count(*) from pg_trigger where tgrelid = 'run_ends'::regclass and tgname = 'template_runs_add';
rollback;
