-- name:    workflow_executions
-- purpose: one page of a workflow's runs, newest first, with their results
-- params:  id int8, status text[]?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   -created_at = r.created_at timestamptz, -id = r.created_at timestamptz
-- index:   runs_workflow_idx
-- With statuses each of them is read from the index that holds those alone: of a million that completed none is
-- looked at to find one that runs or has failed.
-- ?status {
with asked as materialized (
	select distinct u.status
	from unnest(:status) as u (status)
), page as materialized (
-- }
with page as materialized ( -- ?!status
	select r.id, r.workflow_id, r.version, r.status, r.trigger_type, r.triggered_by, r.input, r.result, r.error, r.retry_count,
		r.completed_at, r.started_at, r.created_at, r.cancelled_at, r.cancelled_by, r.progress, r.priority, r.wake_at,
		r.correlation_id, r.parent_run_id, r.rerun_of, r.mode, r.awaits, ({key})::text as key
	from asked s -- ?status
	cross join lateral ( -- ?status
	from ( -- ?!status
		(
			select r.*
			from runs r
			where r.workflow_id = :id
				and r.status = s.status -- ?status
				and s.status = 'completed' -- ?status
				and ({key}, r.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
			order by {key} {dir}, r.id {dir}
			limit :page_limit + 1 + :page_offset
		-- ?status {
		) union all (
			-- runs_active_idx
			select r.*
			from runs r
			where r.workflow_id = :id
				and r.status = s.status
				and r.status in ('pending', 'running', 'paused', 'compensating')
				and s.status in ('pending', 'running', 'paused', 'compensating')
				and ({key}, r.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
			order by {key} {dir}, r.id {dir}
			limit :page_limit + 1 + :page_offset
		) union all (
			-- runs_workflow_ended_idx
			select r.*
			from runs r
			where r.workflow_id = :id
				and r.status = s.status
				and r.status in ('failed', 'cancelled', 'timed_out', 'compensated')
				and s.status in ('failed', 'cancelled', 'timed_out', 'compensated')
				and ({key}, r.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
			order by {key} {dir}, r.id {dir}
			limit :page_limit + 1 + :page_offset
		-- }
		)
	) r
	order by {key} {dir}, r.id {dir}
	limit :page_limit + 1
	offset :page_offset
), numbered as (
	select p.*, row_number() over () as n
	from page p
), counted as materialized (
	select count(*) as n
	from (
		select 1
		from runs r -- ?!status
		where r.workflow_id = :id -- ?!status
		from asked s -- ?status
		cross join lateral runs_of(:id, s.status) r -- ?status
		limit 10001
	) c
), listed as (
	select '[' || coalesce(string_agg(concat(
-- include: _run_members
			',"input_data":', p.input,
			',"result_data":', coalesce(p.result::text, 'null'),
			'}'), ',' order by p.n) filter (where p.n <= :page_limit), '') || ']' as items,
-- include: _next_place
)
select l.items, l.next_key, l.next_id,
	case when :want_total then (select n from counted) end as total,
	case when :want_total and (select n from counted) > 10000 then greatest(estimate_runs(:id, :status), 10001) end as total_estimate
from workflows w
cross join listed l
where w.id = :id
