-- Verify millrace:said_once
begin;
set local search_path = millrace, pg_temp;
select api_key_body(k, 'x') from api_keys k where false;
select stands_paused(r) from runs r where false;
select 1 / has_function_privilege('millrace_api', f, 'execute')::int
from unnest('{"millrace.tell_runs(bigint[],text,text,text)","millrace.retry_runs(bigint[],text,json,text)"}'::text[]) as f;
rollback;
