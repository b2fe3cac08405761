-- Deploy millrace:waits_told
-- A flush that ends a child run marks its parent's wait as not looked at, in the same transaction: so
-- an engine that is killed before it told the parent leaves what the next sweep finds.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

grant update (checked, since) on run_waits to millrace_engine;

commit;
