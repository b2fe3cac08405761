-- name:    group_get
-- purpose: one group
-- params:  id int8
-- returns: one (body json, version int8)
-- flags:   read
select group_json(g, (select count(*) from principals p where p.groups @> array[g.name] and p.deleted_at is null)) as body, g.revision as version
from groups g
where g.id = :id
