-- name:    runs_bulk
-- purpose: cancels, pauses, resumes or retries many runs, named by ids or by a filter: one answer for each
-- params:  op text, ids json?, filter json?, reason text?, dry_run bool?, tenant_id int8, principal_id int8?, principal_name text?, correlation_id text?, remote_address text?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb, wake text)
-- flags:   write slow
-- A filter means those of its runs that the act fits. The rules are those of run_cancel, run_pause,
-- run_resume and run_retry.
with given as materialized (
	select regexp_replace(i.value #>> '{}', '^[a-z]+_', '')::int8 as id, min(i.n) as n
	from json_array_elements(:ids) with ordinality as i (value, n)
	group by 1
), fitting as materialized (
	select r.id
	from runs r
	where :filter is not null
		and case :op
			when 'retry' then is_retryable(r.status)
			when 'resume' then r.status = 'paused'
			else not is_terminal(r.status) end
		and (:filter ->> 'workflow_id' is null or r.workflow_id = regexp_replace(:filter ->> 'workflow_id', '^[a-z]+_', '')::int8)
		and (:filter ->> 'status' is null or r.status = any (array(
			select json_array_elements_text(case json_typeof(:filter -> 'status') when 'array' then :filter -> 'status'
				else json_build_array(:filter ->> 'status') end))))
		and (:filter ->> 'triggered_by' is null or r.triggered_by = :filter ->> 'triggered_by')
		and (:filter ->> 'correlation_id' is null or r.correlation_id = :filter ->> 'correlation_id')
		and (:filter ->> 'from' is null or r.created_at >= (:filter ->> 'from')::timestamptz)
		and (:filter ->> 'to' is null or r.created_at < (:filter ->> 'to')::timestamptz)
	order by r.created_at, r.id
	limit 10001
), wanted as materialized (
	select g.id, g.n from given g
	union all
	select f.id, row_number() over (order by f.id) from fitting f limit 10000
), found as materialized (
	select r.id, r.workflow_id, r.status, stands_paused(r) as is_paused
	from runs r
	where r.id = any (array(select w.id from wanted w))
	order by r.id
	for update of r
), judged as materialized (
	select w.id, w.n, f.workflow_id, f.status,
		case
			when f.id is null then 'RUN_NOT_FOUND'
			when :op = 'retry' then case when not is_retryable(f.status) then 'RUN_NOT_RETRYABLE' end
			when is_terminal(f.status) then 'RUN_NOT_ACTIVE'
			when :op = 'resume' and not f.is_paused then 'RUN_NOT_PAUSED'
		end as error,
		-- a paused one stays so
		:op <> 'pause' or not f.is_paused as acts
	from wanted w
	left join found f on f.id = w.id
), acting as materialized (
	select j.id, j.status
	from judged j
	where j.error is null
		and j.acts
		and not coalesce(:dry_run, false)
), told as materialized (
	select count(*) as n
	from tell_runs(array(select a.id from acting a where :op <> 'retry'), :op, :reason, :principal_name)
), retried as materialized (
	select count(*) as n
	from retry_runs(array(select a.id from acting a where :op = 'retry'), null, null, :principal_name)
), audited_each as (
	insert into audit_logs (tenant_id, entity_type, entity_id, action, user_id, user_name, changes, address, correlation_id)
	select :tenant_id, 'run', a.id,
		case :op when 'cancel' then 'cancelled' when 'pause' then 'paused' when 'resume' then 'resumed' else 'retried' end,
		:principal_id, :principal_name, jsonb_build_object('reason', :reason, 'from', a.status, 'bulk', true), :remote_address,
		:correlation_id
	from acting a
), answer as (
	select 202 as status,
		json_build_object(
			'op', :op,
			'dry_run', coalesce(:dry_run, false),
			'matched', count(*) filter (where j.error is distinct from 'RUN_NOT_FOUND'),
			'accepted', count(*) filter (where j.error is null),
			'refused', count(*) filter (where j.error is not null),
			'truncated', (select count(*) > 10000 from fitting),
			'results', coalesce(json_agg(json_build_object(
				'id', j.id,
				'run_id', j.id,
				'status', case j.error when 'RUN_NOT_FOUND' then 404 else case when j.error is null then 202 else 409 end end,
				'error_code', j.error,
				'run_status', case when j.error is null and :op = 'retry' and not coalesce(:dry_run, false) then 'running'
					else j.status end) order by j.n), '[]')) as body,
		null as location,
		null::int8 as version,
		null as error,
		null as entity_type,
		null::int8 as entity_id,
		null as action,
		null::jsonb as changes,
		case
			when (select t.n from told t) > 0 then 'c:0'
			when (select r.n from retried r) > 0 then 'r'
		end as wake
	from judged j
)
