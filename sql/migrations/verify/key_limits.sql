-- Verify millrace:key_limits
begin;
set local search_path = millrace, pg_temp;
select 1 / (pg_get_functiondef('api_key_body(api_keys, text)'::regprocedure) like '%rate_limits%')::int;
rollback;
