-- Deploy millrace:templates
-- Templates: definitions to make workflows of. Those of the library that ships have no tenant: every tenant
-- reads them, and none can change them. Workflows remember which template, in which version, they were made of.
begin;
set local lock_timeout = '2s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

-- Texts that sort, byte by byte, as semantic versions do: 1.0.0-rc.2 < 1.0.0-rc.10 < 1.0.0 < 1.10.0.
create function semver_order(version text) returns text
language sql immutable parallel safe
return coalesce((
	select string_agg(lpad(p.part, 9, '0'), '.' order by p.n)
	from unnest(string_to_array(substring(version from '^[0-9]+\.[0-9]+\.[0-9]+'), '.')) with ordinality as p (part, n)
), '') || coalesce('-' || (
	select string_agg(case when p.part ~ '^[0-9]+$' then '0' || lpad(p.part, 64, '0') else '1' || p.part end, ' ' order by p.n)
	from unnest(string_to_array(substring(version from '^[0-9.]+-([0-9A-Za-z.-]+)'), '.')) with ordinality as p (part, n)
), '~');

-- What a template is called in addresses when nothing else is said. One that has no letter would look like an id.
create function slug_of(name text) returns text
language sql immutable parallel safe
return (
	select case when s.slug ~ '[a-z]' then s.slug else 'template-' || left(md5(name), 10) end
	from (select btrim(left(btrim(regexp_replace(lower(name), '[^a-z0-9]+', '-', 'g'), '-'), 100), '-') as slug) s
);

create table templates (
	id bigint generated always as identity primary key,
	tenant_id bigint references tenants,        -- null: of the library that ships
	name text not null,
	slug text not null,
	description text,
	category text,
	tags text[] not null default '{}',
	template_type text,
	version text not null default '1.0.0',
	version_order text collate "C" not null generated always as (semver_order(version)) stored,
	template_config json not null,              -- the definition: steps, and any other member of the language
	variables json,                             -- what parameters and inputs are for
	settings json,
	graph_spec json,                            -- how an editor has drawn it
	default_trigger_config json,
	default_cron_schedule text,
	is_public boolean not null default false,
	is_active boolean not null default true,
	revision bigint not null default 1,         -- of the row, for ETag
	owner_id bigint,
	owner text,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	deleted_at timestamptz,
	constraint templates_name_check check (length(name) between 1 and 200 and name = btrim(name)
		and name !~ '[/[:cntrl:]]' and name !~ '^(tmpl_|template_)?[0-9]+$'),
	constraint templates_slug_check check (length(slug) <= 100 and slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and slug ~ '[a-z]'),
	constraint templates_version_check check (length(version) <= 64 and version
		~ '^(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$'),
	constraint templates_category_check check (length(category) between 1 and 100),
	constraint templates_template_type_check check (length(template_type) between 1 and 100)
);
-- the library counts as tenant 0 here: "mine or the library's" is one look into an index
create unique index templates_version_key on templates (coalesce(tenant_id, 0), slug, version) where deleted_at is null;
create index templates_slug_idx on templates (coalesce(tenant_id, 0), slug, version_order) where deleted_at is null;
create index templates_name_idx on templates (coalesce(tenant_id, 0), name) where deleted_at is null;
create index templates_tenant_idx on templates (coalesce(tenant_id, 0), created_at, id) where deleted_at is null;

-- How often a tenant has made a workflow of a template; a template of the library has a row for each tenant.
create table template_usage (
	template_id bigint not null references templates,
	tenant_id bigint not null references tenants,
	workflows bigint not null default 0,
	last_used_at timestamptz not null default now(),
	primary key (template_id, tenant_id)
) with (fillfactor = 50);

-- Whose templates a caller of the API sees: its tenant's and the library's; without a tenant none.
create function template_tenants() returns bigint[]
language sql stable parallel safe
return case when current_tenant() is not null then array[current_tenant(), 0] else '{}' end;

alter table templates enable row level security, force row level security;
alter table template_usage enable row level security, force row level security;
create policy owner_all on templates to millrace_owner using (true) with check (true);
create policy owner_all on template_usage to millrace_owner using (true) with check (true);
create policy api_reads on templates for select to millrace_api
	using (coalesce(tenant_id, 0) = any ((select template_tenants())::bigint[]));
create policy api_adds on templates for insert to millrace_api with check (tenant_id = (select current_tenant()));
create policy api_changes on templates for update to millrace_api
	using (tenant_id = (select current_tenant())) with check (tenant_id = (select current_tenant()));
create policy api_tenant on template_usage to millrace_api
	using (tenant_id = (select current_tenant())) with check (tenant_id = (select current_tenant()));
grant select, insert on templates to millrace_api;
grant update (name, slug, description, category, tags, template_type, version, template_config, variables, settings, graph_spec,
	default_trigger_config, default_cron_schedule, is_public, is_active, revision, updated_at, deleted_at) on templates to millrace_api;
grant select on template_usage to millrace_api;

alter table workflows add column template_id bigint;
alter table workflows add column template_version text;

-- As before, and what it was made of where that is known.
create or replace function workflows_render() returns trigger
language plpgsql
as $$
begin
	new.rendered_summary := members(json_build_object(
		'id', new.id,
		'name', new.name,
		'description', new.description,
		'status', new.status,
		'is_enabled', new.status in ('active', 'paused'),
		'version', new.version,
		'tags', new.tags,
		'timeout_seconds', new.timeout_seconds,
		'max_retries', new.max_retries,
		'retention_days', new.retention_days,
		'trigger_on_file_upload', new.trigger_on_file_upload,
		'trigger_file_extensions', new.trigger_file_extensions,
		'created_by', new.created_by,
		'created_at', ts(new.created_at),
		'updated_at', ts(new.updated_at),
		'deleted_at', ts(new.deleted_at)));
	if new.template_id is not null then
		new.rendered_summary := new.rendered_summary || ','
			|| members(json_build_object('template_id', new.template_id, 'template_version', new.template_version));
	end if;
	new.rendered_details := members(json_build_object(
		'trigger_config', new.trigger_config,
		'input_schema', new.input_schema));
	return new;
end
$$;

create function workflows_of_template() returns trigger
language plpgsql security definer set search_path = millrace, pg_temp
as $$
begin
	insert into template_usage (template_id, tenant_id, workflows)
	values (new.template_id, new.tenant_id, 1)
	on conflict (template_id, tenant_id) do update
	set workflows = template_usage.workflows + 1, last_used_at = now();
	return null;
end
$$;
create trigger workflows_of_template after insert on workflows
for each row when (new.template_id is not null) execute function workflows_of_template();

-- Whether a caller may read it: one that isn't public is its owner's and the administrators'.
create function template_seen(t templates, principal bigint, is_admin boolean) returns boolean
language sql stable parallel safe
return t.deleted_at is null and (t.is_public or coalesce(t.owner_id = principal, false) or coalesce(is_admin, false));

-- Whether no later version of it is there for this caller.
create function template_is_newest(t templates, principal bigint, is_admin boolean) returns boolean
language sql stable parallel safe
return not exists (
	select 1
	from templates n
	where coalesce(n.tenant_id, 0) = coalesce(t.tenant_id, 0)
		and n.slug = t.slug
		and n.version_order > t.version_order
		and n.is_active
		and n.deleted_at is null
		and template_seen(n, principal, is_admin));

-- The id behind what names a template: an id, else a slug, else a name; of several versions the newest. The
-- tenant's own goes before one of the library.
create function template_find(ref text, principal bigint, is_admin boolean) returns bigint
language sql stable parallel safe
return case when ref ~ '^(tmpl_|template_)?[0-9]{1,16}$' then (
	select t.id
	from templates t
	where t.id = substring(ref from '[0-9]+$')::bigint
		and template_seen(t, principal, is_admin)
) else coalesce((
	select t.id
	from templates t
	where coalesce(t.tenant_id, 0) = any (template_tenants())
		and t.slug = ref
		and t.deleted_at is null
		and template_seen(t, principal, is_admin)
	order by t.tenant_id is null, not t.is_active, t.version_order desc
	limit 1
), (
	select t.id
	from templates t
	where coalesce(t.tenant_id, 0) = any (template_tenants())
		and t.name = ref
		and t.deleted_at is null
		and template_seen(t, principal, is_admin)
	order by t.tenant_id is null, not t.is_active, t.version_order desc
	limit 1
)) end;

-- The list of steps, however the definition names it.
create function template_steps(config json) returns json
language sql immutable parallel safe
return coalesce(config -> 'steps', config -> 'process_steps');

-- A template as /templates and /workflow-templates show it.
create function template_body(t templates) returns json
language sql stable parallel safe
return json_build_object(
	'id', t.id,
	'name', t.name,
	'slug', t.slug,
	'description', t.description,
	'category', t.category,
	'tags', t.tags,
	'template_type', t.template_type,
	'template_config', t.template_config,
	'variables', coalesce(t.variables, '[]'),
	'settings', coalesce(t.settings, '{}'),
	'default_trigger_config', coalesce(t.default_trigger_config, '{"type": "manual", "enabled": true}'),
	'default_cron_schedule', t.default_cron_schedule,
	'is_public', t.is_public,
	'is_active', t.is_active,
	'is_global', t.tenant_id is null,
	'version', t.version,
	'usage_count', coalesce((select u.workflows from template_usage u where u.template_id = t.id), 0),
	'created_by', t.owner,
	'created_at', ts(t.created_at),
	'updated_at', ts(t.updated_at));

-- What can be given to somebody else: neither ids nor dates. One whose definition is more than a list of
-- steps holds it whole.
create function template_blueprint(t templates) returns json
language sql stable parallel safe
return ('{' || members(json_build_object('name', t.name, 'description', t.description, 'version', t.version,
		'template_type', t.template_type))
	|| case when exists (select 1 from json_object_keys(t.template_config) k where k not in ('steps', 'process_steps'))
		then ',"template_config":' || t.template_config::text
		else ',"process_steps":' || template_steps(t.template_config)::text end
	|| ',' || members(json_build_object('variables', coalesce(t.variables, '[]'), 'settings', coalesce(t.settings, '{}'),
		'graph_spec', coalesce(t.graph_spec, '{"nodes": [], "edges": []}')))
	|| case when t.slug <> slug_of(t.name) then ',"slug":' || to_json(t.slug)::text else '' end
	|| case when t.category is not null then ',"category":' || to_json(t.category)::text else '' end
	|| case when t.tags <> '{}' then ',"tags":' || to_json(t.tags)::text else '' end
	|| case when t.default_trigger_config is not null then ',"default_trigger_config":' || t.default_trigger_config::text else '' end
	|| case when t.default_cron_schedule is not null then ',"default_cron_schedule":' || to_json(t.default_cron_schedule)::text else '' end
	|| '}')::json;

-- A template as /workflow/process-templates shows it.
create function template_process(t templates) returns json
language sql stable parallel safe
return json_build_object(
	'id', t.id,
	'name', t.name,
	'slug', t.slug,
	'description', t.description,
	'version', t.version,
	'template_type', t.template_type,
	'category', t.category,
	'tags', t.tags,
	'process_steps', template_steps(t.template_config),
	'variables', coalesce(t.variables, '[]'),
	'settings', coalesce(t.settings, '{}'),
	'graph_spec', coalesce(t.graph_spec, '{"nodes": [], "edges": []}'),
	'is_active', t.is_active,
	'is_public', t.is_public,
	'is_global', t.tenant_id is null,
	'usage_count', coalesce((select u.workflows from template_usage u where u.template_id = t.id), 0),
	'created_by', t.owner,
	'created_at', ts(t.created_at),
	'updated_at', ts(t.updated_at));

-- The body that an address shows; null: that of /templates.
create function template_view(t templates, view text) returns json
language sql stable parallel safe
return case view
	when 'process' then template_process(t)
	when 'blueprint' then template_blueprint(t)
	when 'imported' then json_build_object('id', t.id, 'name', t.name, 'version', t.version, 'template_type', t.template_type,
		'is_active', t.is_active, 'created_at', ts(t.created_at))
	else template_body(t) end;

-- What the audit log keeps of it.
create function template_changes(t templates) returns jsonb
language sql stable parallel safe
return jsonb_strip_nulls(jsonb_build_object('name', t.name, 'slug', t.slug, 'version', t.version, 'category', t.category,
	'template_type', t.template_type, 'is_public', t.is_public, 'is_active', t.is_active));

grant execute on function semver_order(text), slug_of(text), template_tenants(), template_seen(templates, bigint, boolean),
	template_is_newest(templates, bigint, boolean), template_find(text, bigint, boolean), template_steps(json),
	template_body(templates), template_blueprint(templates), template_process(templates), template_view(templates, text),
	template_changes(templates) to millrace_api;

commit;
