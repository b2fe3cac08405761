-- Revert millrace:hot_path
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

create or replace function us(t timestamptz) returns bigint
language sql immutable parallel safe
return (extract(epoch from t) * 1000000)::bigint;

commit;
