-- name:    user_list
-- purpose: one page of the tenant's users and programs; deleted ones only when asked for
-- params:  kind text[]?, status text[]?, role text?, group text?, search text?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   name = p.name text, -created_at = p.created_at timestamptz, -id = p.created_at timestamptz
-- index:   principals_tenant_id_name_key
-- Which groups have the role is looked up once, not for each user.
with page as materialized (
	select p as row, p.id, ({key})::text as key
	from principals p
	where true
		and p.kind = any (:kind) -- ?kind
		and principal_status(p) = any (:status) -- ?status
		and p.deleted_at is null -- ?!status
		-- ?role {
		and (:role = any (p.roles)
			or p.groups && (select coalesce(array_agg(g.name), '{}') from groups g where :role = any (g.roles)))
		-- }
		and p.groups @> array[:group] -- ?group
		and (strpos(lower(p.name), (select lower(:search))) > 0 or strpos(lower(p.description), (select lower(:search))) > 0) -- ?search
		and ({key}, p.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
	order by {key} {dir}, p.id {dir}
	limit :page_limit + 1
	offset :page_offset
), numbered as (
	select p.*, row_number() over () as n
	from page p
), counted as materialized (
	select count(*) as n
	from (
		select 1
		from principals p
		where true
			and p.kind = any (:kind) -- ?kind
			and principal_status(p) = any (:status) -- ?status
			and p.deleted_at is null -- ?!status
			-- ?role {
			and (:role = any (p.roles)
				or p.groups && (select coalesce(array_agg(g.name), '{}') from groups g where :role = any (g.roles)))
			-- }
			and p.groups @> array[:group] -- ?group
			and (strpos(lower(p.name), (select lower(:search))) > 0 or strpos(lower(p.description), (select lower(:search))) > 0) -- ?search
		limit 10001
	) c
)
select coalesce(json_agg(user_json(p.row) order by p.n) filter (where p.n <= :page_limit), '[]') as items,
-- include: _page_end
