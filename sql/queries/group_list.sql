-- name:    group_list
-- purpose: one page of the tenant's groups
-- params:  role text?, search text?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   name = g.name text, -created_at = g.created_at timestamptz, -id = g.created_at timestamptz
-- index:   groups_tenant_id_name_key
with page as materialized (
	select g as row, g.id, ({key})::text as key
	from groups g
	where true
		and :role = any (g.roles) -- ?role
		and (strpos(lower(g.name), (select lower(:search))) > 0 or strpos(lower(g.description), (select lower(:search))) > 0) -- ?search
		and ({key}, g.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
	order by {key} {dir}, g.id {dir}
	limit :page_limit + 1
	offset :page_offset
), numbered as (
	select p.*, row_number() over () as n
	from page p
), counted as materialized (
	select count(*) as n
	from (
		select 1
		from groups g
		where true
			and :role = any (g.roles) -- ?role
			and (strpos(lower(g.name), (select lower(:search))) > 0 or strpos(lower(g.description), (select lower(:search))) > 0) -- ?search
		limit 10001
	) c
)
select coalesce(json_agg(group_json(p.row, null) order by p.n) filter (where p.n <= :page_limit), '[]') as items,
-- include: _page_end
