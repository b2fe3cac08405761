-- Verify millrace:workflows
begin;
set local search_path = millrace, pg_temp;
select id, tenant_id, name, description, status, version, revision, digest, tags, trigger_config, trigger_on_file_upload,
	trigger_file_extensions, timeout_seconds, max_retries, input_schema, created_by_id, created_by, created_at, updated_at,
	deleted_at, rendered_summary, rendered_details, rendered_definition from workflows where false;
select workflow_id, version, tenant_id, definition, config, steps, digest, created_by_id, created_by, created_at
from workflow_versions where false;
select workflow_members(w) from workflows w where false;
select 1 / (words('a, b') = '{a,b}' and words('["a"]') = '{a}' and words(null) is null)::int;
rollback;
