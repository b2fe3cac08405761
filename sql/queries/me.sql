-- name:    me
-- purpose: who the caller is, by which credential, and what that allows
-- params:  principal_id int8, principal_roles text[], principal_groups text[], principal_scopes text[], credential_id int8?, credential_kind text, expires_us int8
-- returns: one (body json)
-- flags:   read
select json_build_object(
		'id', p.id,
		'name', p.name,
		'kind', p.kind,
		'tenant', json_build_object('id', t.id, 'name', t.name, 'is_platform', t.is_platform),
		'credential', json_build_object(
			'kind', :credential_kind,
			'id', k.id,
			'name', k.name,
			'expires_at', case when :expires_us > 0 then ts(from_us(:expires_us)) end),
		'scopes', :principal_scopes,
		'roles', :principal_roles,
		'groups', :principal_groups) as body
from principals p
join tenants t on t.id = p.tenant_id
left join api_keys k on k.id = :credential_id
where p.id = :principal_id
