-- name:    schema_state
-- purpose: whether the schema has the change that a program needs, and which came last
-- params:  needed text
-- returns: one (known bool, latest text)
-- flags:   read
select known, latest
from schema_state(:needed)
