-- name:    auth_keys_claim
-- purpose: whether this worker is the one that fetches an issuer's keys now
-- params:  issuer_id int8, url text, max_age_s int4?, retry_s int4
-- returns: one (mine bool, pending bool, age_ms int8, retry_ms int8)
-- flags:   write system
select mine, pending, age_ms, retry_ms
from auth_keys_claim(:issuer_id, :url, :max_age_s, :retry_s)
