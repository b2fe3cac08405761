-- name:    engine_definitions
-- purpose: the definitions of given versions, to be compiled
-- params:  workflow_ids int8[], versions int4[]
-- returns: many (workflow_id int8, version int4, tenant_id int8, workflow_name text, definition json)
-- flags:   read
select v.workflow_id, v.version, v.tenant_id, w.name as workflow_name, v.definition
from unnest(:workflow_ids, :versions) as g (workflow_id, version)
join workflow_versions v on v.workflow_id = g.workflow_id and v.version = g.version
join workflows w on w.id = v.workflow_id
