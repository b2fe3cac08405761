-- Verify millrace:workflow_tallies
begin;
set local role millrace_owner;
set local search_path = millrace, pg_temp;
select tenant_id, status, n, is_sum from workflow_tallies where false;
select 1 / (count(*) = 3)::int from pg_trigger where tgrelid = 'workflows'::regclass and tgname ~ '^workflow_tallies_';
select 1 / count(*) from pg_policy where polrelid = 'run_tallies'::regclass and polname = 'api_tenant';
select 'tallies_fold()'::regprocedure;
rollback;
