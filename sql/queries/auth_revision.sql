-- name:    auth_revision
-- purpose: a number that changes with everything that login depends on
-- params:
-- returns: one (revision int8)
-- flags:   read
select revision
from auth_revision
