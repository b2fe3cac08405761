-- name:    issuer_list
-- purpose: one page of the tenant's issuers
-- params:  status text[]?, search text?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   created_at = i.created_at timestamptz, -id = i.created_at timestamptz, issuer = i.issuer text
with page as materialized (
	select i as row, i.id, ({key})::text as key
	from issuers i
	where true
		and i.deleted_at is null -- ?!status
		and issuer_status(i) = any (:status) -- ?status
		and strpos(lower(i.issuer), (select lower(:search))) > 0 -- ?search
		and ({key}, i.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
	order by {key} {dir}, i.id {dir}
	limit :page_limit + 1
	offset :page_offset
), numbered as (
	select p.*, row_number() over () as n
	from page p
), counted as (
	select count(*) as n
	from (
		select 1
		from issuers i
		where true
			and i.deleted_at is null -- ?!status
			and issuer_status(i) = any (:status) -- ?status
			and strpos(lower(i.issuer), (select lower(:search))) > 0 -- ?search
		limit 10001
	) c
)
select coalesce(json_agg(issuer_json(p.row) order by p.n) filter (where p.n <= :page_limit), '[]') as items,
-- include: _page_end
