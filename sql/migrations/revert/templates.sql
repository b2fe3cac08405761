-- Revert millrace:templates
begin;
set local lock_timeout = '2s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

drop trigger workflows_of_template on workflows;
drop function workflows_of_template();
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
	new.rendered_details := members(json_build_object(
		'trigger_config', new.trigger_config,
		'input_schema', new.input_schema));
	return new;
end
$$;
alter table workflows drop column template_version;
alter table workflows drop column template_id;
drop function template_changes(templates);
drop function template_view(templates, text);
drop function template_process(templates);
drop function template_blueprint(templates);
drop function template_body(templates);
drop function template_steps(json);
drop function template_find(text, bigint, boolean);
drop function template_is_newest(templates, bigint, boolean);
drop function template_seen(templates, bigint, boolean);
drop table template_usage;
drop table templates;
drop function template_tenants();
drop function slug_of(text);
drop function semver_order(text);

commit;
