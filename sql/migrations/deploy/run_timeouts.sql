-- Deploy millrace:run_timeouts
-- Who starts a run may say how long it may take: beside the timeout of its definition, the shorter one counts.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

-- without a default, so no partition is written anew
alter table runs add column timeout_seconds int;
alter table runs add constraint runs_timeout_check check (timeout_seconds > 0) not valid;

commit;
