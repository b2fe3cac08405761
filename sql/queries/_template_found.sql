-- name:    _template_found
-- purpose: the template that a request names, and locked if it is the tenant's own
-- params:  template text, principal_id int8?, principal_is_admin bool?
	select t.id, t.tenant_id is null as is_global
	from templates t
	where t.id = (select template_find(:template, :principal_id, :principal_is_admin))
), locked as materialized (
	select t.id, t.revision
	from templates t
	join found f on f.id = t.id
	where t.deleted_at is null
		and not f.is_global
	for update of t
