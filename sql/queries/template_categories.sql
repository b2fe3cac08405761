-- name:    template_categories
-- purpose: the categories of the templates that the caller sees, and how many each has
-- params:  public_only bool?, principal_id int8?, principal_is_admin bool?
-- returns: one (body json, version int8)
-- flags:   read
with counted as (
	select t.category, count(*) as n
	from templates t
	where t.deleted_at is null
		and t.is_active
		and t.category is not null
		and template_seen(t, :principal_id, :principal_is_admin)
		and (t.is_public or not coalesce(:public_only, true))
		and template_is_newest(t, :principal_id, :principal_is_admin)
	group by t.category
)
select json_build_object(
	'categories', coalesce(json_agg(json_build_object(
		'name', c.category,
		'count', c.n,
		'display_name', initcap(regexp_replace(c.category, '[-_ ]+', ' ', 'g'))) order by c.n desc, c.category), '[]'),
	'total', count(*)) as body,
	0::int8 as version
from counted c
