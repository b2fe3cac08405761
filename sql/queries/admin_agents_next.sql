-- name:    admin_agents_next
-- purpose: agents behind an id whose auth_config is not sealed with the current key
-- params:  after_id int8, key_id text, batch int4
-- returns: many (id int8, tenant_id int8, name text, sealed bytea)
-- flags:   read
-- What it is sealed for is the agent's id.
select a.id, a.tenant_id, a.id::text as name, a.auth_sealed as sealed
from agents a
where a.id > :after_id
	and substring(a.auth_sealed from 2 for 8) <> decode(:key_id, 'hex')
order by a.id
limit :batch
