-- name:    secret_list
-- purpose: one page of the tenant's secrets, without their values
-- params:  search text?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   created_at = s.created_at timestamptz, -id = s.created_at timestamptz, name = s.name text
-- index:   secrets_tenant_idx
with page as materialized (
	select s.id, s.name, s.description, s.version, s.created_by, s.updated_by, s.created_at, s.updated_at, s.value_updated_at,
		({key})::text as key
	from secrets s
	where true
		and strpos(lower(s.name), (select lower(:search))) > 0 -- ?search
		and ({key}, s.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
	order by {key} {dir}, s.id {dir}
	limit :page_limit + 1
	offset :page_offset
), numbered as (
	select p.*, row_number() over () as n
	from page p
), counted as (
	select count(*) as n
	from (
		select 1
		from secrets s
		where true
			and strpos(lower(s.name), (select lower(:search))) > 0 -- ?search
		limit 10001
	) c
)
select coalesce(json_agg(secret_members(p.id, p.name, p.description, p.version, p.created_by, p.updated_by, p.created_at,
			p.updated_at, p.value_updated_at) order by p.n) filter (where p.n <= :page_limit), '[]') as items,
-- include: _page_end
