-- name:    engine_secrets
-- purpose: the sealed secrets of tenants, each tenant with the revision that these are
-- params:  tenant_ids int8[]
-- returns: many (tenant_id int8, revision int8, name text, sealed bytea)
-- flags:   read
-- A tenant without secrets has one row, without name.
select g.tenant_id, coalesce(r.revision, 0) as revision, s.name, s.sealed
from unnest(:tenant_ids) as g (tenant_id)
left join secret_revisions r on r.tenant_id = g.tenant_id
left join secrets s on s.tenant_id = g.tenant_id
order by g.tenant_id
