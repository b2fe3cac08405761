-- name:    api_key_get
-- purpose: one API key; revoked ones too
-- params:  id int8
-- returns: one (body json, version int8)
-- flags:   read
select json_build_object(
		'id', k.id,
		'name', k.name,
		'prefix', k.prefix,
		'scopes', k.scopes,
		'roles', k.roles,
		'status', api_key_status(k),
		'is_active', api_key_status(k) = 'active',
		'principal_id', k.principal_id,
		'principal_name', p.name,
		'created_by', k.created_by,
		'created_at', ts(k.created_at),
		'updated_at', ts(k.updated_at),
		'expires_at', ts(k.expires_at),
		'last_used_at', ts(k.last_used_at),
		'rotated_at', ts(k.rotated_at),
		'revoked_at', ts(k.revoked_at)) as body,
	k.revision as version
from api_keys k
join principals p on p.id = k.principal_id
where k.id = :id
