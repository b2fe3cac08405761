-- name:    engine_cancel_children
-- purpose: cancels the child runs of steps whose end was just written; those of runs that were not held any more stay
-- params:  run_ids int8[], fences int8[], seqs int4[], step_execution_ids int8[]
-- returns: many (run_id int8)
-- flags:   write system
-- In the flush's own transaction: fence and seq are those that it wrote.
with ended as materialized (
	select r.id as run_id, g.step_execution_id
	from unnest(:run_ids, :fences, :seqs, :step_execution_ids) as g (run_id, fence, seq, step_execution_id)
	join runs r on r.id = g.run_id and r.fence = g.fence and r.seq = g.seq
	order by r.id, g.step_execution_id
)
select c as run_id
from cancel_children(
	array(select run_id from ended),
	array(select step_execution_id from ended)) as c
