-- name:    _step_retried
-- purpose: goes on with the run that was judged, and says so
-- params:  input json?, principal_name text?
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
