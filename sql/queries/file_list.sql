-- name:    file_list
-- purpose: one page of the tenant's files, newest first
-- params:  search text?, run_id int8?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   -created_at = f.created_at timestamptz, -id = f.created_at timestamptz, name = f.name text, -size = f.size int8
-- index:   files_tenant_idx
with sought as (
	select coalesce(:search) is not null as filtered
-- include: _window
), looked_at as materialized (
	select f.id, ({key})::text as key, (
		true
		and strpos(lower(f.name), (select lower(:search))) > 0 -- ?search
	) as fits
	from files f
	where f.deleted_at is null
		and f.run_id = :run_id -- ?run_id
		and ({key}, f.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
	order by {key} {dir}, f.id {dir}
	limit (select w.n from wanted w)
	offset (select w.skip from wanted w)
-- include: _window_fits
), countable as (
	select 1
	from files f
	where f.deleted_at is null
		and f.run_id = :run_id -- ?run_id
-- include: _window_page
), listed as (
	select coalesce(json_agg((
			select json_build_object(
-- include: _file_members
			)
			from files f
			where f.id = p.id) order by p.n) filter (where p.n <= :page_limit), '[]') as items,
-- include: _window_end
