-- name:    api_key_get
-- purpose: one API key; revoked ones too
-- params:  id int8
-- returns: one (body json, version int8)
-- flags:   read
select api_key_body(k, p.name) as body,
	k.revision as version
from api_keys k
join principals p on p.id = k.principal_id
where k.id = :id
