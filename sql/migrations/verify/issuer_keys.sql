-- Verify millrace:issuer_keys
begin;
set local search_path = millrace, pg_temp;
select public_key, jwks_file, jwks_url, key_type, required_claims, value_map, jwks, jwks_fetched_at, jwks_tried_at, jwks_ended_at,
	jwks_error, created_by, deleted_at, revision from issuers where false;
select 1 / has_function_privilege('millrace_api', f, 'execute')::int
from unnest('{millrace.auth_issuers(),"millrace.auth_keys_claim(bigint,text,int,int)","millrace.auth_keys_store(bigint,text,text,text)",millrace.issuer_json(millrace.issuers)}'::text[]) as f;
select 1 / count(*)::int from pg_policy where polrelid = 'issuers'::regclass and polname = 'api_tenant';
rollback;
