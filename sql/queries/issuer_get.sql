-- name:    issuer_get
-- purpose: one issuer; deleted ones too
-- params:  id int8
-- returns: one (body json, version int8)
-- flags:   read
select issuer_json(i) as body, i.revision as version
from issuers i
where i.id = :id
