-- name:    engine_slots
-- purpose: asks for places among the runs that a limit allows at once; in the order of their keys, which are locked
-- params:  run_ids int8[], fences int8[], limit_keys text[], limits int4[], on_full text[]
-- returns: many (run_id int8, verdict text)
-- flags:   write system
with asked as materialized (
	select *
	from unnest(:run_ids, :fences, :limit_keys, :limits, :on_full) as g (run_id, fence, limit_key, limit_max, on_full)
	order by hashtext(limit_key), run_id
)
select run_id, request_slot(run_id, fence, limit_key, limit_max, on_full) as verdict
from asked
