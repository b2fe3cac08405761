-- Verify millrace:rollups
begin;
set local search_path = millrace, pg_temp;
select tenant_id, what, grain, at, route, method, key_id, principal_id, workflow_id, outcome, error_code, n, sum_us, max_us, buckets from rollups where false;
select at, tenant_id, workflow_id, outcome, error_code, bucket, n, sum_us, max_us from run_ends where false;
select writer, batch, at from rollup_writers where false;
select 1 / (count(*) = 8)::int
from pg_proc
where pronamespace = 'millrace'::regnamespace
	and proname in ('rollup_bounds', 'run_bucket', 'buckets_add', 'rollup_quantile', 'rollups_store', 'rollups_add', 'rollups_upkeep', 'rollup_groups');
rollback;
