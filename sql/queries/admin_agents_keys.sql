-- name:    admin_agents_keys
-- purpose: the keys that what agents know us by is sealed with
-- params:
-- returns: many (key_id text, secrets int8)
-- flags:   read slow
select encode(substring(a.auth_sealed from 2 for 8), 'hex') as key_id, count(*) as secrets
from agents a
where a.auth_sealed is not null
group by 1
order by 1
