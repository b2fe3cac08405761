-- name:    tenant_list
-- purpose: one page of the tenants, for the platform's administrators
-- params:  status text[]?, search text?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   name = t.name text, -created_at = t.created_at timestamptz, -id = t.created_at timestamptz
-- index:   tenants_name_key
with page as materialized (
	select t as row, t.id, ({key})::text as key
	from tenants t
	where true
		and (select is_platform())
		and t.status = any (:status) -- ?status
		and (strpos(lower(t.name), (select lower(:search))) > 0 or strpos(lower(t.description), (select lower(:search))) > 0) -- ?search
		and ({key}, t.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
	order by {key} {dir}, t.id {dir}
	limit :page_limit + 1
	offset :page_offset
), numbered as (
	select p.*, row_number() over () as n
	from page p
), counted as materialized (
	select count(*) as n
	from (
		select 1
		from tenants t
		where true
			and (select is_platform())
			and t.status = any (:status) -- ?status
			and (strpos(lower(t.name), (select lower(:search))) > 0 or strpos(lower(t.description), (select lower(:search))) > 0) -- ?search
		limit 10001
	) c
)
select coalesce(json_agg(tenant_json(p.row) order by p.n) filter (where p.n <= :page_limit), '[]') as items,
-- include: _page_end
