-- name:    secret_get
-- purpose: one secret, by name or id, without its value
-- params:  secret text
-- returns: one (body json, version int8, name text)
-- flags:   read
select secret_members(s.id, s.name, s.description, s.version, s.created_by, s.updated_by, s.created_at, s.updated_at,
		s.value_updated_at) as body,
	s.revision as version,
	s.name
from secrets s
where s.id = (select secret_id(:secret))
