-- name:    template_import
-- purpose: a template of a blueprint, or the one that is this blueprint already
-- params:  view text?, tenant_id int8, principal_id int8?, principal_name text?, name text, slug text?, description text?, category text?, tags text?, template_type text?, version text?, template_config json, variables json?, settings json?, graph_spec json?, default_trigger_config json?, default_cron_schedule text?, is_public bool?, is_active bool?
-- returns: one (status int4, body json, location text, version int8, error text, details json, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
with existing as materialized (
	select t.*
	from templates t
	where coalesce(t.tenant_id, 0) = :tenant_id
		and t.slug = coalesce(:slug, slug_of(btrim(:name)))
		and t.version = coalesce(:version, '1.0.0')
		and t.deleted_at is null
), made as (
	insert into templates (tenant_id, name, slug, description, category, tags, template_type, version, template_config, variables,
		settings, graph_spec, default_trigger_config, default_cron_schedule, is_public, is_active, owner_id, owner)
	select :tenant_id, btrim(:name), coalesce(:slug, slug_of(btrim(:name))), :description, :category, coalesce(words(:tags), '{}'),
		:template_type, coalesce(:version, '1.0.0'), :template_config, :variables, :settings, :graph_spec, :default_trigger_config,
		:default_cron_schedule, coalesce(:is_public, false), coalesce(:is_active, true), :principal_id, :principal_name
	where not exists (select 1 from existing)
	returning *
), same as (
	select e.*
	from existing e
	where e.name = btrim(:name)
		and e.description is not distinct from :description
		and e.category is not distinct from :category
		and e.tags = coalesce(words(:tags), '{}')
		and e.template_type is not distinct from :template_type
		and e.template_config::jsonb = :template_config::jsonb
		and coalesce(e.variables::jsonb, '[]') = coalesce(:variables::jsonb, '[]')
		and coalesce(e.settings::jsonb, '{}') = coalesce(:settings::jsonb, '{}')
		and coalesce(e.graph_spec::jsonb, '{"nodes": [], "edges": []}') = coalesce(:graph_spec::jsonb, '{"nodes": [], "edges": []}')
		and e.default_trigger_config::jsonb is not distinct from :default_trigger_config::jsonb
		and e.default_cron_schedule is not distinct from :default_cron_schedule
), answer as (
	select 201 as status,
		template_view(m, :view) as body,
		'/api/v1/workflow/process-templates/' || m.id as location,
		m.revision as version,
		null as error,
		null::json as details,
		'template' as entity_type,
		m.id as entity_id,
		'imported' as action,
		template_changes(m) as changes
	from made m
	union all
	select case when s.id is not null then 200 end,
		case when s.id is not null then template_view(t, :view) end,
		null,
		s.revision,
		case when s.id is null then 'TEMPLATE_VERSION_TAKEN' end,
		case when s.id is null then json_build_object('version', json_build_array('is that of another template of this name')) end,
		null,
		null,
		null,
		null
	from existing e
	join templates t on t.id = e.id
	left join same s on s.id = e.id
)
