-- name:    engine_runs_gone
-- purpose: which of these runs are not there any more
-- params:  run_ids int8[]
-- returns: many (run_id int8)
-- flags:   read
select g.run_id
from unnest(:run_ids) as g (run_id)
where not exists (select 1 from runs r where r.id = g.run_id)
