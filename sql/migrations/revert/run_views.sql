-- Revert millrace:run_views
begin;
set local role millrace_owner;
set local search_path = millrace, pg_temp;

revoke update (mode, saga_type, saga_label, correlation_id) on runs from millrace_api;
drop function saga_body(runs, text, text);
drop function step_branch(journal);
drop function step_body(journal, journal, journal, journal, text);
drop function step_has_ended(text);
drop function step_status(text);

commit;
