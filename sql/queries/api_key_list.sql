-- name:    api_key_list
-- purpose: one page of the tenant's API keys
-- params:  status text[]?, search text?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   created_at = k.created_at timestamptz, -id = k.created_at timestamptz, name = k.name text
-- index:   api_keys_tenant_idx
with page as materialized (
	select k as row, k.id, p.name as principal_name, ({key})::text as key
	from api_keys k
	join principals p on p.id = k.principal_id
	where true
		and api_key_status(k) = any (:status) -- ?status
		and strpos(lower(k.name), (select lower(:search))) > 0 -- ?search
		and ({key}, k.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
	order by {key} {dir}, k.id {dir}
	limit :page_limit + 1
	offset :page_offset
), numbered as (
	select p.*, row_number() over () as n
	from page p
), counted as (
	select count(*) as n
	from (
		select 1
		from api_keys k
		where true
			and api_key_status(k) = any (:status) -- ?status
			and strpos(lower(k.name), (select lower(:search))) > 0 -- ?search
		limit 10001
	) c
)
select coalesce(json_agg(api_key_body(p.row, p.principal_name) order by p.n) filter (where p.n <= :page_limit), '[]') as items,
-- include: _page_end
