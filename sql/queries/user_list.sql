-- name:    user_list
-- purpose: one page of the tenant's users and programs; deleted ones only when asked for
-- params:  kind text[]?, status text[]?, role text?, group text?, search text?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   name = p.name text, -created_at = p.created_at timestamptz, -id = p.created_at timestamptz
-- index:   principals_tenant_id_name_key
-- Which groups have the role is looked up once, not for each user.
with sought as (
	select coalesce(:kind::text, :status::text, :role, :group, :search) is not null as filtered
-- include: _window
), looked_at as materialized (
	select p.id, ({key})::text as key, (
		true
		and p.kind = any (:kind) -- ?kind
		and principal_status(p) = any (:status) -- ?status
		-- ?role {
		and (:role = any (p.roles)
			or p.groups && (select coalesce(array_agg(g.name), '{}') from groups g where :role = any (g.roles)))
		-- }
		and p.groups @> array[:group] -- ?group
		and (strpos(lower(p.name), (select lower(:search))) > 0 or strpos(lower(p.description), (select lower(:search))) > 0) -- ?search
	) as fits
	from principals p
	where true
		and p.deleted_at is null -- ?!status
		and ({key}, p.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
	order by {key} {dir}, p.id {dir}
	limit (select w.n from wanted w)
	offset (select w.skip from wanted w)
-- include: _window_fits
), countable as (
	select 1
	from principals p
	where true
		and p.deleted_at is null -- ?!status
-- include: _window_page
), listed as (
	select coalesce(json_agg((select user_json(u) from principals u where u.id = p.id) order by p.n)
		filter (where p.n <= :page_limit), '[]') as items,
-- include: _window_end
