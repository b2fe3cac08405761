-- name:    template_list
-- purpose: one page of the templates that the caller sees, the library's among them
-- params:  view text?, public_only bool?, category text?, tags text[]?, template_type text?, is_active bool?, search text?, principal_id int8?, principal_is_admin bool?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   created_at = t.created_at timestamptz, -id = t.created_at timestamptz, updated_at = t.updated_at timestamptz, name = t.name text
-- index:   templates_tenant_idx
-- Of several versions the newest; all of them for those who keep them (view).
with page as materialized (
	select t as row, t.id, ({key})::text as key
	from templates t
	where t.deleted_at is null
		and template_seen(t, :principal_id, :principal_is_admin)
		and (t.is_public or not coalesce(:public_only, :view is null))
		and (:view is not null or template_is_newest(t, :principal_id, :principal_is_admin))
		and (:view is not null or t.is_active) -- ?!is_active
		and t.category = :category -- ?category
		and t.tags @> :tags -- ?tags
		and t.template_type = :template_type -- ?template_type
		and t.is_active = :is_active -- ?is_active
		and strpos(lower(t.name || ' ' || coalesce(t.description, '')), (select lower(:search))) > 0 -- ?search
		and ({key}, t.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
	order by {key} {dir}, t.id {dir}
	limit :page_limit + 1
	offset :page_offset
), numbered as (
	select p.*, row_number() over () as n
	from page p
), counted as (
	select count(*) as n
	from (
		select 1
		from templates t
		where t.deleted_at is null
			and template_seen(t, :principal_id, :principal_is_admin)
			and (t.is_public or not coalesce(:public_only, :view is null))
			and (:view is not null or template_is_newest(t, :principal_id, :principal_is_admin))
			and (:view is not null or t.is_active) -- ?!is_active
			and t.category = :category -- ?category
			and t.tags @> :tags -- ?tags
			and t.template_type = :template_type -- ?template_type
			and t.is_active = :is_active -- ?is_active
			and strpos(lower(t.name || ' ' || coalesce(t.description, '')), (select lower(:search))) > 0 -- ?search
		limit 10001
	) c
)
select coalesce(json_agg(template_view(p.row, :view) order by p.n) filter (where p.n <= :page_limit), '[]') as items,
-- include: _page_end
