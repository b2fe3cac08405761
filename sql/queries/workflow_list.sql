-- name:    workflow_list
-- purpose: one page of the tenant's workflows; deleted ones only when asked for
-- params:  status text[]?, tag text[]?, owner text?, search text?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   created_at = w.created_at timestamptz, -id = w.created_at timestamptz, updated_at = w.updated_at timestamptz, name = w.name text
-- index:   workflows_listed_idx
-- Each status is read in order from an index of its own, and the pages are merged: what is merged is narrow, so that
-- ten thousand of each fit into memory.
with sought as (
	select coalesce(:tag::text, :owner, :search) is not null as filtered
-- include: _window
), asked as materialized (
	select distinct u.status
	from unnest(coalesce(:status, '{active,inactive,paused}')) as u (status)
), looked_at as materialized (
	select w.id, w.key::text as key, w.fits
	from asked s
	cross join lateral (
		select w.id, {key} as key, (
			true
			and w.tags @> :tag -- ?tag
			and w.created_by = :owner -- ?owner
			and (strpos(lower(w.name), (select lower(:search))) > 0 or strpos(lower(w.description), (select lower(:search))) > 0) -- ?search
		) as fits
		from workflows w
		where w.status = s.status
			and ({key}, w.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
		order by {key} {dir}, w.id {dir}
		limit (select w.n + w.skip from wanted w)
	) w
	order by w.key {dir}, w.id {dir}
	limit (select w.n from wanted w)
	offset (select w.skip from wanted w)
-- include: _window_fits
), countable as (
	select 1
	from asked s
	cross join lateral ( -- each by the index: a join might read all of the tenant's for each
		select 1
		from workflows w
		where w.status = s.status
		limit 10001
	) w
-- include: _window_page
), listed as (
	select ('[' || coalesce(string_agg('{' || (select w.rendered_summary from workflows w where w.id = p.id) || '}', ',' order by p.n) filter (where p.n <= :page_limit), '') || ']') as items,
-- include: _window_end
