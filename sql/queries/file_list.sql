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
	select f.*, ({key})::text as key
	from files f
	where f.deleted_at is null
		and f.run_id = :run_id -- ?run_id
		and ({key}, f.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
	order by {key} {dir}, f.id {dir}
	limit (select w.n from wanted w)
	offset (select w.skip from wanted w)
), found as materialized (
	select l.*
	from looked_at l
	where true
		and strpos(lower(l.name), (select lower(:search))) > 0 -- ?search
), countable as (
	select 1
	from files f
	where f.deleted_at is null
		and f.run_id = :run_id -- ?run_id
-- include: _window_page
), listed as (
	select coalesce(json_agg(json_build_object(
				'id', p.id,
				'file_id', p.id,
				'name', p.name,
				'filename', p.name,
				'extension', p.extension,
				'content_type', p.content_type,
				'size', p.size,
				'sha256', p.sha256,
				'url', '/api/v1/files/' || p.id || '/content',
				'run_id', p.run_id,
				'created_by', p.created_by,
				'created_at', ts(p.created_at)) order by p.n) filter (where p.n <= :page_limit), '[]') as items,
-- include: _window_end
