-- name:    workflow_list
-- purpose: one page of the tenant's workflows; deleted ones only when asked for
-- params:  status text[]?, tag text[]?, owner text?, search text?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   created_at = w.created_at timestamptz, -id = w.created_at timestamptz, updated_at = w.updated_at timestamptz, name = w.name text
-- index:   workflows_listed_idx
-- Each status is read in order from an index of its own, and the pages are merged.
with sought as (
	select coalesce(:tag::text, :owner, :search) is not null as filtered
-- include: _window
), asked as materialized (
	select distinct u.status
	from unnest(coalesce(:status, '{active,inactive,paused}')) as u (status)
), looked_at as materialized (
	select w.id, w.name, w.description, w.tags, w.created_by, w.rendered_summary, ({key})::text as key
	from asked s
	cross join lateral (
		select w.*
		from workflows w
		where w.status = s.status
			and ({key}, w.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
		order by {key} {dir}, w.id {dir}
		limit (select w.n + w.skip from wanted w)
	) w
	order by {key} {dir}, w.id {dir}
	limit (select w.n from wanted w)
	offset (select w.skip from wanted w)
), found as materialized (
	select l.*
	from looked_at l
	where true
		and l.tags @> :tag -- ?tag
		and l.created_by = :owner -- ?owner
		and (strpos(lower(l.name), (select lower(:search))) > 0 or strpos(lower(l.description), (select lower(:search))) > 0) -- ?search
), countable as (
	select 1
	from asked s
	join workflows w on w.status = s.status
-- include: _window_page
), listed as (
	select ('[' || coalesce(string_agg('{' || p.rendered_summary || '}', ',' order by p.n) filter (where p.n <= :page_limit), '') || ']') as items,
-- include: _window_end
