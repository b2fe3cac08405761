-- name:    run_list
-- purpose: one page of the tenant's runs, newest first, without input and result
-- params:  status text[]?, workflow_id int8?, triggered_by text?, from timestamptz?, to timestamptz?, correlation_id text?, search text?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   -created_at = r.created_at timestamptz, -id = r.created_at timestamptz
-- index:   runs_tenant_idx
-- Each status is read in order from runs_status_idx, or, of one workflow, from the index that holds such runs alone, and
-- the pages are merged: no run that isn't shown is read. Another tenant's workflow is not there: its runs would all be
-- read and none shown.
with sought as (
	select coalesce(:triggered_by, :search) is not null as filtered
-- include: _window
), asked as materialized ( -- ?status
	select distinct u.status -- ?status
	from unnest(:status) as u (status) -- ?status
), looked_at as materialized (
	select r.id, r.workflow_id, r.version, r.status, r.trigger_type, r.triggered_by, r.error, r.retry_count,
		r.completed_at, r.started_at, r.created_at, r.cancelled_at, r.cancelled_by, r.progress, r.priority, r.wake_at,
		r.correlation_id, r.parent_run_id, r.rerun_of, r.mode, r.awaits, ({key})::text as key
	from asked s -- ?status
	cross join lateral ( -- ?status
	from ( -- ?!status
		(
			select r.*
			from runs r -- ?!correlation_id
			-- the few that share an id are found by it and sorted, not looked for among all in order
			from (select c.* from runs c where c.correlation_id = :correlation_id offset 0) r -- ?correlation_id
			where true
				and r.status = s.status -- ?status
				-- of one workflow, the others come from below
				and s.status = 'completed' -- ?status ?workflow_id ?!correlation_id
				and r.workflow_id = :workflow_id -- ?workflow_id
				and exists (select 1 from workflows w where w.id = :workflow_id) -- ?workflow_id
				and r.created_at >= :from -- ?from
				and r.created_at < :to -- ?to
				and ({key}, r.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
			order by {key} {dir}, r.id {dir}
			limit (select w.n + w.skip from wanted w)
		-- ?status ?workflow_id ?!correlation_id {
		) union all (
			-- runs_active_idx
			select r.*
			from runs r
			where r.workflow_id = :workflow_id
				and exists (select 1 from workflows w where w.id = :workflow_id)
				and r.status = s.status
				and r.status in ('pending', 'running', 'paused', 'compensating')
				and s.status in ('pending', 'running', 'paused', 'compensating')
				and r.created_at >= :from -- ?from
				and r.created_at < :to -- ?to
				and ({key}, r.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
			order by {key} {dir}, r.id {dir}
			limit (select w.n + w.skip from wanted w)
		) union all (
			-- runs_workflow_ended_idx
			select r.*
			from runs r
			where r.workflow_id = :workflow_id
				and exists (select 1 from workflows w where w.id = :workflow_id)
				and r.status = s.status
				and r.status in ('failed', 'cancelled', 'timed_out', 'compensated')
				and s.status in ('failed', 'cancelled', 'timed_out', 'compensated')
				and r.created_at >= :from -- ?from
				and r.created_at < :to -- ?to
				and ({key}, r.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
			order by {key} {dir}, r.id {dir}
			limit (select w.n + w.skip from wanted w)
		-- }
		)
	) r
	order by {key} {dir}, r.id {dir}
	limit (select w.n from wanted w)
	offset (select w.skip from wanted w)
), found as materialized (
	select l.*
	from looked_at l
	where true
		and l.triggered_by = :triggered_by -- ?triggered_by
		-- ?search {
		and (strpos(lower(l.correlation_id), (select lower(:search))) > 0
			or strpos(lower(l.triggered_by), (select lower(:search))) > 0
			or l.workflow_id in (
				select w.id
				from (select distinct a.workflow_id from looked_at a) a
				join workflows w on w.id = a.workflow_id
				where strpos(lower(w.name), (select lower(:search))) > 0))
		-- }
), countable as (
	select 1
	from runs r -- ?!status
	from runs r -- ?status ?!workflow_id
	from asked s -- ?status ?workflow_id
	cross join lateral runs_of(:workflow_id, s.status) r -- ?status ?workflow_id
	where true
		and r.status = any (:status) -- ?status ?!workflow_id
		and r.workflow_id = :workflow_id -- ?workflow_id ?!status
		and exists (select 1 from workflows w where w.id = :workflow_id) -- ?workflow_id
		and r.created_at >= :from -- ?from
		and r.created_at < :to -- ?to
		and r.correlation_id = :correlation_id -- ?correlation_id
-- include: _window_page
), listed as (
	select '[' || coalesce(string_agg(concat(
-- include: _run_members
			'}'), ',' order by p.n) filter (where p.n <= :page_limit), '') || ']' as items,
-- include: _next_place
)
select l.items, coalesce(l.next_key, (select a.key from last a)) as next_key,
	coalesce(l.next_id, (select a.id from last a)) as next_id,
	case when :want_total then (select n from counted) end as total,
	case when :want_total and (select n from counted) > 10000 then
		case when (select w.filtered from wanted w) then (select count(*) from found)
			else greatest(estimate_runs(:workflow_id, :status), 10001) end end as total_estimate
from listed l
