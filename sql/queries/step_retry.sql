-- name:    step_retry
-- purpose: goes on with a run that ended badly, from the step of this step execution
-- params:  step_execution_id int8, input json?, principal_name text?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb, wake text)
-- flags:   write
-- index:   journal_step_idx
-- A step inside an action of a conditional is named "<conditional>/<step>": it begins with the conditional.
-- "between", because an equality would be merged with the next one, and the index's condition lost.
with begun as materialized (
	select j.run_id, j.step
	from journal j
	where j.id between :step_execution_id and :step_execution_id
		and j.id = j.step_execution_id
), found as materialized (
	select r.id, r.workflow_id, r.status, r.version, (
			select s ->> 'name'
			from workflow_versions v
			cross join json_array_elements(v.steps) as s
			where v.workflow_id = r.workflow_id
				and v.version = r.version
				and (s ->> 'name' = b.step or starts_with(b.step, (s ->> 'name') || '/'))
			order by length(s ->> 'name') desc
			limit 1
		) as from_step
	from begun b
	join runs r on r.id = b.run_id
	for update of r
), judged as materialized (
	select f.*,
		case
			when not is_retryable(f.status) then 'RUN_NOT_RETRYABLE'
			when f.from_step is null then 'STEP_NOT_FOUND'
		end as error
	from found f
-- include: _step_retried
