-- name:    _step_executions
-- purpose: the step executions of a run: the rows of the journal that tell how each began, stands, ended and what it was given
-- params:  id int8
-- A step execution is what the journal says: its first row gives the beginning, its last one the
-- state. A completed one may have a last row that says it was undone.
), executions as materialized (
	select j.step_execution_id as id, min(j.seq) as first_seq, max(j.seq) as last_seq,
		max(j.seq) filter (where j.kind in ('step.completed', 'step.failed', 'step.cancelled', 'step.skipped')) as end_seq,
		max(j.seq) filter (where j.kind in ('step.started', 'step.waiting', 'step.completed', 'step.failed')
			and j.data -> 'input' is not null) as input_seq
	from journal j
	where j.run_id = :id
		and j.step_execution_id is not null
		and j.kind like 'step.%'
	group by j.step_execution_id
