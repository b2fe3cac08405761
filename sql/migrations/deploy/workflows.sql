-- Deploy millrace:workflows
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

-- A list of words, written "a, b" or ["a", "b"]: the words, without spaces around. Null stays null.
create function words(written text) returns text[]
language sql immutable parallel safe
return case when written is not null then (
	select coalesce(array_agg(btrim(e) order by n), '{}')
	from unnest(case when btrim(written) like '[%'
		then array(select json_array_elements_text(btrim(written)::json))
		else string_to_array(written, ',') end) with ordinality as w (e, n)
	where btrim(e) <> '') end;

create table workflows (
	id bigint generated always as identity primary key,
	tenant_id bigint not null references tenants,
	name text not null,
	description text,
	status text not null default 'active',
	version int not null default 1,             -- of the definition
	revision bigint not null default 1,         -- of the row, for ETag
	digest text not null,                       -- of the definition, to see whether it differs
	tags text[] not null default '{}',
	trigger_config json,
	trigger_on_file_upload boolean not null default false,
	trigger_file_extensions text,               -- "pdf,docx"; null or empty: any
	timeout_seconds int,
	max_retries int,
	input_schema json,
	created_by_id bigint,
	created_by text,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	deleted_at timestamptz,
	-- JSON members without braces, so that a read is one concatenation: what a list shows and
	-- what only the single resource shows (both written by workflows_render), and the steps with
	-- the workflow_config (written with each version).
	rendered_summary text not null default '',
	rendered_details text not null default '',
	rendered_definition text not null,
	constraint workflows_tenant_id_id_key unique (tenant_id, id),
	constraint workflows_name_check check (length(name) between 1 and 200),
	constraint workflows_status_check check (status in ('active', 'inactive', 'paused', 'deleted')),
	constraint workflows_timeout_seconds_check check (timeout_seconds > 0 and timeout_seconds <= 31536000),
	constraint workflows_max_retries_check check (max_retries between 0 and 100)
) with (fillfactor = 80, toast_tuple_target = 8160);
create unique index workflows_tenant_id_name_key on workflows (tenant_id, name) where status <> 'deleted';
create index workflows_tenant_idx on workflows (tenant_id, created_at, id);
create index workflows_file_upload_idx on workflows (tenant_id, id)
	where trigger_on_file_upload and status = 'active';

-- Every version stays as it was.
create table workflow_versions (
	workflow_id bigint not null,
	version int not null,
	tenant_id bigint not null,
	definition json not null,                   -- what the engine compiles
	config json,                                -- what the client wrote as workflow_config; null: the definition
	steps json not null,                        -- the steps' normal form
	digest text not null,
	created_by_id bigint,
	created_by text,
	created_at timestamptz not null default now(),
	primary key (workflow_id, version),
	constraint workflow_versions_workflow_fkey foreign key (tenant_id, workflow_id) references workflows (tenant_id, id)
);
create index workflow_versions_tenant_idx on workflow_versions (tenant_id, workflow_id);

-- {"a":1} → "a":1
create function members(object json) returns text
language sql immutable parallel safe
return substr(object::text, 2, length(object::text) - 2);

create function workflows_render() returns trigger
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
create trigger workflows_render
	before insert or update on workflows
	for each row execute function workflows_render();

-- The members of a single workflow's answer, but for its latest run.
create function workflow_members(w workflows) returns text
language sql stable parallel safe
return w.rendered_summary || ',' || w.rendered_details || ',' || w.rendered_definition;

-- What rendered_definition holds.
create function definition_members(steps json, config json) returns text
language sql stable parallel safe
return '"steps":' || steps::text || ',"workflow_config":' || config::text;

grant execute on function words(text), members(json), workflow_members(workflows),
	definition_members(json, json) to millrace_api;

commit;
