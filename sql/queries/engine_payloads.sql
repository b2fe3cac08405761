-- name:    engine_payloads
-- purpose: how many bytes of results each tenant has in the file store
-- params:
-- returns: many (tenant_id int8, bytes int8)
-- flags:   read
select p.tenant_id, p.bytes
from tenant_payloads p
