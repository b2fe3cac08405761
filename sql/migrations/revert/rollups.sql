-- Revert millrace:rollups
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

drop function rollup_groups(text, timestamptz, timestamptz, text, text, bigint, bigint, bigint, text[], text, boolean, text[]);
drop function rollups_upkeep(int, int, int);
drop function rollups_add(text, bigint, int8[], int8[], text[], text[], int8[], int8[], int8[], text[], text[], int8[], int8[], int8[], text[]);
drop function rollups_store(rollup_delta[], text);
drop type rollup_delta;
drop function rollup_quantile(int8[], int8[], bigint, float8);
drop function run_bucket(bigint);
drop function buckets_add(int8[], int8[]);
drop function rollup_bounds(text);
drop table rollup_writers, run_ends, rollups;

commit;
