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
-- What no index knows is looked for among ten thousand runs from the page's place on: where those are not all, the
-- page may be short, and the next one begins behind them.
with wanted as materialized (
	select f.filtered, case when f.filtered then 10000 else :page_limit + 1 end as n,
		case when f.filtered then 0 else :page_offset end as skip
	from (select coalesce(:triggered_by, :search) is not null as filtered) f
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
		and (strpos(lower(l.correlation_id), lower(:search)) > 0
			or strpos(lower(l.triggered_by), lower(:search)) > 0
			or l.workflow_id in (
				select w.id
				from (select distinct a.workflow_id from looked_at a) a
				join workflows w on w.id = a.workflow_id
				where strpos(lower(w.name), lower(:search)) > 0))
		-- }
), numbered as (
	select f.*, row_number() over () as n
	from (select f.* from found f limit :page_limit + 1 offset (select :page_offset - w.skip from wanted w)) f
), counted as materialized (
	select case
		when not w.filtered then (
			select count(*)
			from (
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
				limit 10001
			) c)
		when (select count(*) from looked_at) = w.n then 10001
		else (select count(*) from found) end as n
	from wanted w
), listed as (
	select '[' || coalesce(string_agg(concat(
			'{"id":', p.id,
			',"run_id":', p.id,
			',"execution_id":', p.id,
			',"workflow_id":', p.workflow_id,
			',"workflow_definition_id":', p.workflow_id,
			',"workflow_name":', quoted((select w.name from workflows w where w.id = p.workflow_id)),
			',"version":', p.version,
			',"status":"', p.status,
			'","is_terminal":', is_terminal(p.status)::text,
			',"mode":"', coalesce(p.mode, 'standard'),
			'","trigger_type":"', p.trigger_type,
			'","triggered_by":', quoted(p.triggered_by),
			',"error":', coalesce(p.error::text, 'null'),
			',"retry_count":', p.retry_count,
			',"execution_time_ms":',
			coalesce((extract(epoch from coalesce(p.completed_at, now()) - p.started_at) * 1000)::int8::text, 'null'),
			',"progress":', p.progress,
			',"priority":', p.priority,
			',"created_at":', quoted(p.created_at),
			',"started_at":', quoted(p.started_at),
			',"completed_at":', quoted(p.completed_at),
			',"cancelled_at":', quoted(p.cancelled_at),
			',"cancelled_by":', quoted(p.cancelled_by),
			',"wake_at":', quoted(p.wake_at),
			',"awaits":', p.awaits,
			',"correlation_id":', quoted(p.correlation_id),
			',"parent_run_id":', coalesce(p.parent_run_id::text, 'null'),
			',"rerun_of":', coalesce(p.rerun_of::text, 'null'),
			'}'), ',' order by p.n) filter (where p.n <= :page_limit), '') || ']' as items,
		case when count(*) > :page_limit then max(p.key) filter (where p.n = :page_limit) end as next_key,
		case when count(*) > :page_limit then max(p.id) filter (where p.n = :page_limit) end as next_id
	from numbered p
), last as materialized ( -- looked at, where more may be behind it
	select l.key, l.id
	from wanted w
	cross join lateral (select l.key, l.id from looked_at l offset w.n - 1) l
	where w.filtered
)
select l.items, coalesce(l.next_key, (select a.key from last a)) as next_key,
	coalesce(l.next_id, (select a.id from last a)) as next_id,
	case when :want_total then (select n from counted) end as total,
	case when :want_total and (select n from counted) > 10000 then
		case when (select w.filtered from wanted w) then (select count(*) from found)
			else greatest(estimate_runs(:workflow_id, :status), 10001) end end as total_estimate
from listed l
