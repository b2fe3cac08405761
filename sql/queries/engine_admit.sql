-- name:    engine_admit
-- purpose: lets runs begin that waited for others of their limit to end
-- params:  limit_keys text[]
-- returns: many (run_id int8)
-- flags:   write system
select r as run_id
from admit_next(:limit_keys) as r
