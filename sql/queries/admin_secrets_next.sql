-- name:    admin_secrets_next
-- purpose: secrets behind an id that are not sealed with the current key
-- params:  after_id int8, key_id text, batch int4
-- returns: many (id int8, tenant_id int8, name text, sealed bytea)
-- flags:   read
select s.id, s.tenant_id, s.name, s.sealed
from secrets s
where s.id > :after_id
	and substring(s.sealed from 2 for 8) <> decode(:key_id, 'hex')
order by s.id
limit :batch
