-- Verify millrace:run_timeouts
begin;
set local search_path = millrace, pg_temp;
select timeout_seconds from runs where false;
rollback;
