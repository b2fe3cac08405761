-- Verify millrace:templates
begin;
set local search_path = millrace, pg_temp;
select id, tenant_id, name, slug, description, category, tags, template_type, version, version_order, template_config, variables,
	settings, graph_spec, default_trigger_config, default_cron_schedule, is_public, is_active, revision, owner_id, owner,
	created_at, updated_at, deleted_at from templates where false;
select template_id, tenant_id, workflows, last_used_at from template_usage where false;
select template_id, template_version from workflows where false;
select 1 / (has_table_privilege('millrace_api', 'templates', 'insert')
	and not has_table_privilege('millrace_api', 'templates', 'delete')
	and not has_column_privilege('millrace_api', 'templates', 'tenant_id', 'update')
	and not has_table_privilege('millrace_api', 'template_usage', 'insert')
	and has_function_privilege('millrace_api', 'template_find(text, bigint, boolean)', 'execute')
	and has_function_privilege('millrace_api', 'template_view(templates, text)', 'execute'))::int;
select 1 / count(*) from pg_trigger where tgname = 'workflows_of_template' and tgrelid = 'workflows'::regclass;
select 1 / (semver_order('1.0.0-rc.2') < semver_order('1.0.0-rc.10') collate "C"
	and semver_order('1.0.0-rc.10') < semver_order('1.0.0') collate "C"
	and semver_order('1.9.0') < semver_order('1.10.0') collate "C")::int;
rollback;
