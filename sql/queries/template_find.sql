-- name:    template_find
-- purpose: what workflows are made of, and what a change goes on from: one template as it is stored
-- params:  template text, principal_id int8?, principal_is_admin bool?
-- returns: one (id int8, revision int8, is_global bool, is_active bool, name text, description text, version text, tags json, template_config json, variables json, settings json, default_trigger_config json, default_cron_schedule text)
-- flags:   read
select t.id, t.revision, t.tenant_id is null as is_global, t.is_active, t.name, t.description, t.version, to_json(t.tags) as tags,
	t.template_config, t.variables, t.settings, t.default_trigger_config, t.default_cron_schedule
from templates t
where t.id = (select template_find(:template, :principal_id, :principal_is_admin))
