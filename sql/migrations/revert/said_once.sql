-- Revert millrace:said_once
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

drop function api_key_body(api_keys, text);
drop function stands_paused(runs);
drop function tell_runs(bigint[], text, text, text);
drop function retry_runs(bigint[], text, json, text);

commit;
