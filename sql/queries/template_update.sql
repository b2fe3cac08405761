-- name:    template_update
-- purpose: changes what the body names; one of the library stays as it is
-- params:  template text, view text?, given text[], if_match int8?, base_revision int8?, principal_id int8?, principal_is_admin bool?, name text?, slug text?, description text?, category text?, tags text?, template_type text?, version text?, template_config json?, variables json?, settings json?, graph_spec json?, default_trigger_config json?, default_cron_schedule text?, is_public bool?, is_active bool?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
-- given: which members the request has. base_revision: what a changed definition was checked together with.
with found as materialized (
-- include: _template_found
), judged as materialized (
	select f.id,
		case
			when f.is_global then 'TEMPLATE_READ_ONLY'
			when l.revision <> :if_match or l.revision <> :base_revision then 'PRECONDITION_FAILED'
		end as error
	from found f
	left join locked l on l.id = f.id
	where f.is_global
		or l.id is not null
), changed as (
	update templates t
	set revision = t.revision + 1,
		updated_at = now(),
		name = coalesce(btrim(:name), t.name),
		slug = coalesce(:slug, t.slug),
		description = case when 'description' = any (:given) then :description else t.description end,
		category = case when 'category' = any (:given) then :category else t.category end,
		tags = case when 'tags' = any (:given) then coalesce(words(:tags), '{}') else t.tags end,
		template_type = case when 'template_type' = any (:given) then :template_type else t.template_type end,
		version = coalesce(:version, t.version),
		template_config = coalesce(:template_config, t.template_config),
		variables = case when 'variables' = any (:given) then :variables else t.variables end,
		settings = case when 'settings' = any (:given) then :settings else t.settings end,
		graph_spec = case when 'graph_spec' = any (:given) then :graph_spec else t.graph_spec end,
		default_trigger_config = case when 'default_trigger_config' = any (:given) then :default_trigger_config
			else t.default_trigger_config end,
		default_cron_schedule = case when 'default_cron_schedule' = any (:given) then :default_cron_schedule
			else t.default_cron_schedule end,
		is_public = coalesce(:is_public, t.is_public),
		is_active = coalesce(:is_active, t.is_active)
	from judged j
	where t.id = j.id
		and j.error is null
	returning t.*
), answer as (
	select case when j.error is null then 200 end as status,
		case when j.error is null then template_view(c, :view) end as body,
		null as location,
		c.revision as version,
		j.error,
		'template' as entity_type,
		j.id as entity_id,
		'updated' as action,
		case when j.error is null then template_changes(c) || jsonb_build_object('members', :given) end as changes
	from judged j
	left join changed c on true
)
