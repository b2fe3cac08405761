-- Verify millrace:auth_functions
begin;
select 1 / has_function_privilege('millrace_api', f, 'execute')::int
from unnest('{millrace.auth_by_key(bytea),millrace.auth_by_certificate(text),"millrace.auth_by_subject(bigint,text,text,text)",millrace.auth_issuers()}'::text[]) as f;
select 1 / (not has_function_privilege('millrace_engine', 'millrace.auth_by_key(bytea)', 'execute'))::int;
rollback;
