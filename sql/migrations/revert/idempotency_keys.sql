-- Revert millrace:idempotency_keys
begin;
set local role millrace_owner;
set local search_path = millrace, pg_temp;
drop table idempotency_keys;
commit;
