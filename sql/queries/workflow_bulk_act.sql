-- name:    workflow_bulk_act
-- purpose: executes, pauses, resumes, cancels or deletes many workflows, named by ids or by a filter: one answer for each
-- params:  op text, ids json?, filter json?, input json?, reason text?, dry_run bool?, tenant_id int8, principal_id int8?, principal_name text?, correlation_id text?, traceparent text?, remote_address text?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb, wake text)
-- flags:   write slow
-- A filter means those of its workflows that the act fits. The rules are those of workflow_execute,
-- workflow_pause, workflow_resume, workflow_cancel and workflow_delete.
with given as materialized (
	select regexp_replace(i.value #>> '{}', '^[a-z]+_', '')::int8 as id, min(i.n) as n
	from json_array_elements(:ids) with ordinality as i (value, n)
	group by 1
), fitting as materialized (
	select w.id
	from workflows w
	where :filter is not null
		and case :op
			when 'execute' then w.status = 'active'
			when 'pause' then w.status = 'active'
			when 'resume' then w.status = 'paused' or w.status <> 'deleted' and exists (
				select 1 from runs r where r.workflow_id = w.id and r.status in ('pending', 'running', 'paused', 'compensating')
					and stands_paused(r))
			when 'delete' then w.status <> 'deleted'
			else w.status <> 'deleted' and exists (
				select 1 from runs r
				where r.workflow_id = w.id and r.status in ('pending', 'running', 'paused', 'compensating')) end
		and (:filter ->> 'status' is null or w.status = any (array(
			select json_array_elements_text(case json_typeof(:filter -> 'status') when 'array' then :filter -> 'status'
				else json_build_array(:filter ->> 'status') end))))
		and (:filter ->> 'tag' is null or :filter ->> 'tag' = any (w.tags))
		and (:filter ->> 'owner' is null or w.created_by = :filter ->> 'owner')
		and (:filter ->> 'search' is null or strpos(lower(concat(w.name, ' ', w.description)), (select lower(:filter ->> 'search'))) > 0)
	order by w.created_at, w.id
	limit 1001
), wanted as materialized (
	select g.id, g.n from given g
	union all
	select f.id, row_number() over (order by f.id) from fitting f limit 1000
), found as materialized (
	select w.id, w.name, w.status, w.version
	from workflows w
	where w.id = any (array(select x.id from wanted x))
	order by w.id
	for update of w
), active as materialized (
	-- the runs that the act reaches
	select r.id, r.workflow_id
	from found f
	join runs r on r.workflow_id = f.id
		and r.status in ('pending', 'running', 'paused', 'compensating')
	where case :op
		when 'cancel' then true
		when 'delete' then f.status <> 'deleted'
		when 'pause' then f.status in ('active', 'paused') and r.status <> 'paused'
		when 'resume' then f.status <> 'deleted' and stands_paused(r)
		else false end
	order by r.id
	for update of r
), judged as materialized (
	select x.id, x.n, f.name, f.status, f.version,
		case
			when f.id is null then 'WORKFLOW_NOT_FOUND'
			when :op = 'execute' and f.status <> 'active' then 'WORKFLOW_NOT_ACTIVE'
			when :op = 'pause' and f.status not in ('active', 'paused') then 'WORKFLOW_NOT_ACTIVE'
			when :op = 'resume' and f.status <> 'paused'
				and not exists (select 1 from active a where a.workflow_id = f.id) then 'WORKFLOW_NOT_PAUSED'
			when :op = 'cancel' and not exists (select 1 from active a where a.workflow_id = f.id) then 'NO_ACTIVE_RUN'
		end as error
	from wanted x
	left join found f on f.id = x.id
), acting as materialized (
	select j.*
	from judged j
	where j.error is null
		and not coalesce(:dry_run, false)
), changed as (
	update workflows w
	set status = case :op when 'pause' then 'paused' when 'resume' then 'active' else 'deleted' end,
		deleted_at = case :op when 'delete' then now() else w.deleted_at end,
		revision = w.revision + 1,
		updated_at = now()
	from acting a
	where w.id = a.id
		and (:op = 'pause' and a.status = 'active' or :op = 'resume' and a.status = 'paused' or :op = 'delete' and a.status <> 'deleted')
), stopped as (
	update runs r
	set fence = r.fence + 1,
		queued = r.queued or r.owner_id is null and (:op in ('cancel', 'delete') or not starts_later(r.status, r.wake_at)),
		wake_at = case when r.owner_id is null and (:op in ('cancel', 'delete') or not starts_later(r.status, r.wake_at))
			then null else r.wake_at end
	from active k
	join acting a on a.id = k.workflow_id
	where r.id = k.id
	returning r.id, r.workflow_id
), commanded as (
	insert into run_commands (tenant_id, run_id, kind, data)
	select :tenant_id, s.id, case :op when 'delete' then 'cancel' else :op end,
		json_build_object('reason', coalesce(:reason, case :op when 'delete' then 'The workflow was deleted.' end), 'by', :principal_name)
	from stopped s
), started as (
	insert into runs (id, tenant_id, workflow_id, version, seq, trigger_type, triggered_by, correlation_id, traceparent, input)
	select nextval('run_id_seq'), :tenant_id, a.id, a.version, 1, 'manual', :principal_name, :correlation_id, :traceparent,
		coalesce(:input, '{}')
	from acting a
	where :op = 'execute'
	order by a.n
	returning id, workflow_id
), journalled as (
	insert into journal (id, tenant_id, run_id, seq, kind, at, data)
	select nextval('journal_id_seq'), :tenant_id, s.id, 1, 'created', now(),
		json_build_object('trigger_type', 'manual', 'triggered_by', :principal_name)
	from started s
), reached as (
	select s.workflow_id, json_agg(s.id order by s.id) as run_ids
	from (
		select id, workflow_id from stopped
		union all
		select id, workflow_id from started
		union all
		select k.id, k.workflow_id from active k where :dry_run) s
	group by s.workflow_id
), audited_each as (
	insert into audit_logs (tenant_id, entity_type, entity_id, action, user_id, user_name, changes, address, correlation_id)
	select :tenant_id, 'workflow', a.id,
		case :op when 'execute' then 'executed' when 'pause' then 'paused' when 'resume' then 'resumed' when 'cancel' then 'cancelled'
			else 'deleted' end,
		:principal_id, :principal_name, jsonb_build_object('reason', :reason, 'from', a.status, 'bulk', true), :remote_address,
		:correlation_id
	from acting a
), answer as (
	select 202 as status,
		json_build_object(
			'op', :op,
			'dry_run', coalesce(:dry_run, false),
			'matched', count(*) filter (where j.error is distinct from 'WORKFLOW_NOT_FOUND'),
			'accepted', count(*) filter (where j.error is null),
			'refused', count(*) filter (where j.error is not null),
			'truncated', (select count(*) > 1000 from fitting),
			'results', coalesce(json_agg(json_build_object(
				'id', j.id,
				'workflow_id', j.id,
				'name', j.name,
				'status', case when j.error is null then 202 when j.error = 'WORKFLOW_NOT_FOUND' then 404 else 409 end,
				'error_code', j.error,
				'run_ids', coalesce((select r.run_ids from reached r where r.workflow_id = j.id), '[]')) order by j.n), '[]')) as body,
		null as location,
		null::int8 as version,
		null as error,
		null as entity_type,
		null::int8 as entity_id,
		null as action,
		null::jsonb as changes,
		case when exists (select 1 from acting) then case :op when 'execute' then 'r' else 'c:0' end end as wake
	from judged j
)
