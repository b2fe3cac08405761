-- name:    admin_secrets_keys
-- purpose: the keys that secrets are sealed with
-- params:
-- returns: many (key_id text, secrets int8)
-- flags:   read slow
select encode(substring(s.sealed from 2 for 8), 'hex') as key_id, count(*) as secrets
from secrets s
group by 1
order by 1
