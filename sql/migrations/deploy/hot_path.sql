-- Deploy millrace:hot_path
-- What the hot path calls for each row.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

-- extract() of a timestamptz is stable; only a function that says so is inlined.
create or replace function us(t timestamptz) returns bigint
language sql stable parallel safe
return (extract(epoch from t) * 1000000)::bigint;

commit;
