-- name:    engine_expire
-- purpose: deletes ended runs whose retention is over, of workflows after a given one; no next means begin again
-- params:  after_id int8, batch int4, days int4?
-- returns: one (upto int8, runs int4)
-- flags:   write system slow
select upto, cardinality(run_ids) as runs
from expire_runs(:after_id, :batch, :days)
