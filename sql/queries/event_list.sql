-- name:    event_list
-- purpose: one page of the tenant's published events, newest first
-- params:  event_type text?, source text?, correlation_id text?, from timestamptz?, to timestamptz?, search text?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   -published_at = e.published_at timestamptz, -id = e.published_at timestamptz
-- index:   events_tenant_idx
with sought as (
	select coalesce(:source, :correlation_id, :search) is not null as filtered
-- include: _window
), looked_at as materialized (
	select e.*, ({key})::text as key
	from events e
	where true
		and e.event_type = :event_type -- ?event_type
		and e.published_at >= :from -- ?from
		and e.published_at < :to -- ?to
		and ({key}, e.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
	order by {key} {dir}, e.id {dir}
	limit (select w.n from wanted w)
	offset (select w.skip from wanted w)
), found as materialized (
	select l.*
	from looked_at l
	where true
		and l.source = :source -- ?source
		and l.correlation_id = :correlation_id -- ?correlation_id
		and (strpos(lower(l.event_type), (select lower(:search))) > 0 or strpos(lower(l.source), (select lower(:search))) > 0) -- ?search
), countable as (
	select 1
	from events e
	where true
		and e.event_type = :event_type -- ?event_type
		and e.published_at >= :from -- ?from
		and e.published_at < :to -- ?to
-- include: _window_page
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
-- include: _window_end
