-- name:    template_create
-- purpose: a template
-- params:  view text?, tenant_id int8, principal_id int8?, principal_name text?, name text, slug text?, description text?, category text?, tags text?, template_type text?, version text?, template_config json, variables json?, settings json?, graph_spec json?, default_trigger_config json?, default_cron_schedule text?, is_public bool?, is_active bool?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
with made as (
	insert into templates (tenant_id, name, slug, description, category, tags, template_type, version, template_config, variables,
		settings, graph_spec, default_trigger_config, default_cron_schedule, is_public, is_active, owner_id, owner)
	values (:tenant_id, btrim(:name), coalesce(:slug, slug_of(btrim(:name))), :description, :category, coalesce(words(:tags), '{}'),
		:template_type, coalesce(:version, '1.0.0'), :template_config, :variables, :settings, :graph_spec, :default_trigger_config,
		:default_cron_schedule, coalesce(:is_public, false), coalesce(:is_active, true), :principal_id, :principal_name)
	returning *
), answer as (
	select 201 as status,
		template_view(m, :view) as body,
		case when :view is null then '/api/v1/templates/' else '/api/v1/workflow/process-templates/' end || m.id as location,
		m.revision as version,
		null as error,
		'template' as entity_type,
		m.id as entity_id,
		'created' as action,
		template_changes(m) as changes
	from made m
)
