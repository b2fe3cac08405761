-- name:    user_get
-- purpose: one user or program; deleted ones too
-- params:  id int8
-- returns: one (body json, version int8)
-- flags:   read
select user_json(p) as body, p.revision as version
from principals p
where p.id = :id
