-- name:    run_retry
-- purpose: goes on with a run that ended badly, from the first step that did not complete, or from a named one
-- params:  id int8, from_step text?, input json?, principal_name text?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb, wake text)
-- flags:   write
-- index:   runs_pkey
with found as materialized (
	select r.id, r.workflow_id, r.status, r.version, :from_step as from_step
	from runs r
	where r.id = :id
	for update
), judged as materialized (
	select f.*,
		case
			when not is_retryable(f.status) then 'RUN_NOT_RETRYABLE'
			when f.from_step is not null and not exists (
				select 1
				from workflow_versions v
				cross join json_array_elements(v.steps) as s
				where v.workflow_id = f.workflow_id
					and v.version = f.version
					and s ->> 'name' = f.from_step
			) then 'STEP_NOT_FOUND'
		end as error
	from found f
), retried as materialized (
	select r.*
	from retry_runs(array(select j.id from judged j where j.error is null), (select j.from_step from judged j), :input,
		:principal_name) as r
), answer as (
	select case when j.error is null then 202 end as status,
		json_build_object(
			'message', 'Run continues',
			'execution_id', j.id,
			'run_id', j.id,
			'workflow_id', j.workflow_id,
			'status', r.status) as body,
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
