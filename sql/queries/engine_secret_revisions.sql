-- name:    engine_secret_revisions
-- purpose: whether secrets of tenants have changed
-- params:  tenant_ids int8[]
-- returns: many (tenant_id int8, revision int8)
-- flags:   read
select g.tenant_id, coalesce(r.revision, 0) as revision
from unnest(:tenant_ids) as g (tenant_id)
left join secret_revisions r on r.tenant_id = g.tenant_id
