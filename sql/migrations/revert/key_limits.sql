-- Revert millrace:key_limits
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

create or replace function api_key_body(k api_keys, principal_name text) returns json
language sql stable parallel safe
return json_build_object(
	'id', k.id,
	'name', k.name,
	'prefix', k.prefix,
	'scopes', k.scopes,
	'roles', k.roles,
	'status', api_key_status(k),
	'is_active', api_key_status(k) = 'active',
	'principal_id', k.principal_id,
	'principal_name', principal_name,
	'created_by', k.created_by,
	'created_at', ts(k.created_at),
	'updated_at', ts(k.updated_at),
	'expires_at', ts(k.expires_at),
	'last_used_at', ts(k.last_used_at),
	'rotated_at', ts(k.rotated_at),
	'revoked_at', ts(k.revoked_at));

commit;
