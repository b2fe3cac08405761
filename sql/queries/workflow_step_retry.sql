-- name:    workflow_step_retry
-- purpose: goes on with a workflow's latest failed run, from a step by name
-- params:  id int8, step text, input json?, principal_name text?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb, wake text)
-- flags:   write
with wanted as materialized (
	select w.id as workflow_id, (
			select l.id
			from runs l
			where l.workflow_id = w.id
				and is_retryable(l.status)
			order by l.created_at desc, l.id desc
			limit 1
		) as run_id
	from workflows w
	where w.id = :id
), locked as materialized (
	select r.id, r.workflow_id, r.status, r.version, (
			select s ->> 'name'
			from workflow_versions v
			cross join json_array_elements(v.steps) as s
			where v.workflow_id = r.workflow_id
				and v.version = r.version
				and (s ->> 'name' = :step or starts_with(:step, (s ->> 'name') || '/'))
			order by length(s ->> 'name') desc
			limit 1
		) as from_step
	from wanted w
	join runs r on r.id = w.run_id
	for update of r
), found as materialized (
	select l.id, w.workflow_id, l.status, l.version, l.from_step
	from wanted w
	left join locked l on true
), judged as materialized (
	select f.*,
		case
			when f.id is null or not is_retryable(f.status) then 'RUN_NOT_RETRYABLE'
			when f.from_step is null then 'STEP_NOT_FOUND'
		end as error
	from found f
-- include: _step_retried
