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
), retried as materialized (
	select r.*
	from retry_runs(array(select j.id from judged j where j.error is null), (select j.from_step from judged j), :input,
		:principal_name) as r
), answer as (
	select case when j.error is null then 202 end as status,
		json_build_object(
			'message', 'Run continues from step ' || j.from_step,
			'execution_id', j.id,
			'run_id', j.id,
			'workflow_id', j.workflow_id,
			'status', r.status,
			'step_name', j.from_step) as body,
		'/api/v1/runs/' || j.id as location,
		null::int8 as version,
		j.error,
		'run' as entity_type,
		j.id as entity_id,
		'retried' as action,
		jsonb_build_object('from_step', j.from_step, 'from', j.status, 'retry_count', r.retry_count) as changes,
		'r' as wake
	from judged j
	left join retried r on r.id = j.id
)
