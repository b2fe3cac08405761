-- name:    saga_list
-- purpose: one page of the tenant's sagas, newest first, without their steps
-- params:  status text[]?, saga_type text?, correlation_id text?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   -created_at = r.created_at timestamptz, -id = r.created_at timestamptz
-- index:   runs_saga_idx
-- What no index knows is looked for among ten thousand sagas from the page's place on: where those are not all, the
-- page may be short, and the next one begins behind them.
with wanted as materialized (
	select f.filtered, case when f.filtered then 10000 else :page_limit + 1 end as n,
		case when f.filtered then 0 else :page_offset end as skip
	from (select coalesce(array_to_string(:status, ''), :saga_type, :correlation_id) is not null as filtered) f
), looked_at as materialized (
	select r.*, ({key})::text as key
	from runs r
	where r.mode = 'saga'
		and ({key}, r.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
	order by {key} {dir}, r.id {dir}
	limit (select w.n from wanted w)
	offset (select w.skip from wanted w)
), found as materialized (
	select l.*
	from looked_at l
	where true
		and l.status = any (:status) -- ?status
		and l.saga_type = :saga_type -- ?saga_type
		and l.correlation_id = :correlation_id -- ?correlation_id
), numbered as (
	select f.*, row_number() over () as n
	from (select f.* from found f limit :page_limit + 1 offset (select :page_offset - w.skip from wanted w)) f
), counted as materialized (
	select case
		when not w.filtered then (
			select count(*)
			from (
				select 1
				from runs r
				where r.mode = 'saga'
				limit 10001
			) c)
		when (select count(*) from looked_at) = w.n then 10001
		else (select count(*) from found) end as n
	from wanted w
), last as materialized ( -- looked at, where more may be behind it
	select l.key, l.id
	from wanted w
	cross join lateral (select l.key, l.id from looked_at l offset w.n - 1) l
	where w.filtered
), listed as (
	select coalesce(json_agg(json_build_object(
			'id', p.id,
			'saga_id', p.id,
			'run_id', p.id,
			'execution_id', p.id,
			'workflow_id', p.workflow_id,
			'workflow_name', (select w.name from workflows w where w.id = p.workflow_id),
			'version', p.version,
			'saga_type', p.saga_type,
			'tenant_id', p.saga_label,
			'correlation_id', p.correlation_id,
			'status', p.status,
			'is_terminal', is_terminal(p.status),
			'progress', p.progress,
			'error', p.error,
			'created_at', ts(p.created_at),
			'started_at', ts(p.started_at),
			'completed_at', ts(p.completed_at)) order by p.n) filter (where p.n <= :page_limit), '[]') as items,
		case when count(*) > :page_limit then max(p.key) filter (where p.n = :page_limit) end as next_key,
		case when count(*) > :page_limit then max(p.id) filter (where p.n = :page_limit) end as next_id
	from numbered p
)
select l.items, coalesce(l.next_key, (select a.key from last a)) as next_key,
	coalesce(l.next_id, (select a.id from last a)) as next_id,
	case when :want_total then (select n from counted) end as total,
	case when :want_total and (select w.filtered from wanted w) then (select count(*) from found) end as total_estimate
from listed l
