-- Revert millrace:explain
begin;
set local role millrace_owner;
set local search_path = millrace, pg_temp;

revoke update (limit_key, limit_max, on_full, admitted, awaits) on runs from millrace_api;
revoke execute on function places_taken(text) from millrace_api;
drop function limit_position(runs);
drop function queue_position(runs);
drop function run_eta(runs);
drop function durations(bigint, int);
drop function step_words(text, journal, text, bigint);
drop function step_code(text, json, text);

commit;
