-- name:    event_list
-- purpose: one page of the tenant's published events, newest first
-- params:  event_type text?, source text?, correlation_id text?, from timestamptz?, to timestamptz?, search text?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   -published_at = e.published_at timestamptz, -id = e.published_at timestamptz
-- index:   events_tenant_idx
with page as materialized (
	select e.*, ({key})::text as key
	from events e
	where true
		and e.event_type = :event_type -- ?event_type
		and e.source = :source -- ?source
		and e.correlation_id = :correlation_id -- ?correlation_id
		and e.published_at >= :from -- ?from
		and e.published_at < :to -- ?to
		and (strpos(lower(e.event_type), lower(:search)) > 0 or strpos(lower(e.source), lower(:search)) > 0) -- ?search
		and ({key}, e.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
	order by {key} {dir}, e.id {dir}
	limit :page_limit + 1
	offset :page_offset
), numbered as (
	select p.*, row_number() over () as n
	from page p
), counted as materialized (
	select count(*) as n
	from (
		select 1
		from events e
		where true
			and e.event_type = :event_type -- ?event_type
			and e.source = :source -- ?source
			and e.correlation_id = :correlation_id -- ?correlation_id
			and e.published_at >= :from -- ?from
			and e.published_at < :to -- ?to
			and (strpos(lower(e.event_type), lower(:search)) > 0 or strpos(lower(e.source), lower(:search)) > 0) -- ?search
		limit 10001
	) c
), listed as (
	select coalesce(json_agg(json_build_object(
			'id', p.id,
			'event_id', p.id,
			'event_type', p.event_type,
			'source', p.source,
			'data', p.data,
			'correlation_id', p.correlation_id,
			'published_at', ts(p.published_at),
			'published_by', p.published_by,
			'run_id', p.run_id) order by p.n) filter (where p.n <= :page_limit), '[]') as items,
		case when count(*) > :page_limit then max(p.key) filter (where p.n = :page_limit) end as next_key,
		case when count(*) > :page_limit then max(p.id) filter (where p.n = :page_limit) end as next_id
	from numbered p
)
select l.items, l.next_key, l.next_id,
	case when :want_total then (select n from counted) end as total,
	case when :want_total then (select n from counted) end as total_estimate
from listed l
