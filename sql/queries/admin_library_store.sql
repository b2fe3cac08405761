-- name:    admin_library_store
-- purpose: the library that ships: what is new is added, what has changed in the same version is changed
-- params:  blueprints json
-- returns: one (total int8, added int8, changed int8)
-- flags:   write system
with given as (
	select b.value ->> 'name' as name, coalesce(b.value ->> 'slug', slug_of(b.value ->> 'name')) as slug,
		b.value ->> 'description' as description, b.value ->> 'category' as category,
		coalesce(words(b.value ->> 'tags'), '{}') as tags, b.value ->> 'template_type' as template_type,
		coalesce(b.value ->> 'version', '1.0.0') as version, b.value -> 'template_config' as template_config,
		b.value -> 'variables' as variables, b.value -> 'settings' as settings, b.value -> 'graph_spec' as graph_spec,
		b.value -> 'default_trigger_config' as default_trigger_config, b.value ->> 'default_cron_schedule' as default_cron_schedule
	from json_array_elements(:blueprints) as b (value)
), stored as (
	insert into templates as t (name, slug, description, category, tags, template_type, version, template_config, variables, settings,
		graph_spec, default_trigger_config, default_cron_schedule, is_public)
	select g.name, g.slug, g.description, g.category, g.tags, g.template_type, g.version, g.template_config, g.variables, g.settings,
		g.graph_spec, g.default_trigger_config, g.default_cron_schedule, true
	from given g
	order by g.slug
	on conflict (coalesce(tenant_id, 0), slug, version) where deleted_at is null do update
	set name = excluded.name,
		description = excluded.description,
		category = excluded.category,
		tags = excluded.tags,
		template_type = excluded.template_type,
		template_config = excluded.template_config,
		variables = excluded.variables,
		settings = excluded.settings,
		graph_spec = excluded.graph_spec,
		default_trigger_config = excluded.default_trigger_config,
		default_cron_schedule = excluded.default_cron_schedule,
		revision = t.revision + 1,
		updated_at = now()
	where template_blueprint(t)::text <> template_blueprint(excluded)::text
	returning t.revision
)
select (select count(*) from given) as total,
	count(*) filter (where s.revision = 1) as added,
	count(*) filter (where s.revision > 1) as changed
from stored s
