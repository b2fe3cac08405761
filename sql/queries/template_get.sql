-- name:    template_get
-- purpose: one template, by id, slug or name, as the address shows it
-- params:  template text, view text?, principal_id int8?, principal_is_admin bool?
-- returns: one (body json, version int8)
-- flags:   read
select template_view(t, :view) as body,
	t.revision as version
from templates t
where t.id = (select template_find(:template, :principal_id, :principal_is_admin))
