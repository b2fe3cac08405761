-- name:    file_create
-- purpose: a file that is safe in the store; starts the active workflows that its upload triggers
-- params:  tenant_id int8, principal_id int8?, principal_name text?, correlation_id text?, traceparent text?, storage_key text, name text, extension text, content_type text, size int8, sha256 text
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb, wake text)
-- flags:   write
-- index:   workflows_file_upload_idx
with made as (
	insert into files (tenant_id, name, extension, content_type, size, sha256, storage_key, created_by_id, created_by)
	values (:tenant_id, :name, lower(ltrim(coalesce(:extension, ''), '.')), :content_type, :size, :sha256, :storage_key,
		:principal_id, :principal_name)
	returning *
), triggered as (
	select w.id, w.version, w.name
	from workflows w
	cross join made m
	where w.trigger_on_file_upload
		and w.status = 'active'
		and coalesce((w.trigger_config ->> 'enabled')::bool, true)
		and (coalesce(w.trigger_file_extensions, '') = ''
			or m.extension in (select lower(ltrim(e, '.')) from unnest(words(w.trigger_file_extensions)) as e))
), started as (
	insert into runs (id, tenant_id, workflow_id, version, seq, trigger_type, triggered_by, correlation_id, traceparent, input)
	select nextval('run_id_seq'), :tenant_id, t.id, t.version, 1, 'file_upload', :principal_name, :correlation_id, :traceparent,
		json_build_object(
			'file_id', m.id::text,
			'file_name', m.name,
			'extension', m.extension,
			'size', m.size,
			'content_type', m.content_type,
			'sha256', m.sha256)
	from triggered t
	cross join made m
	returning id, workflow_id, version, status, trigger_type, triggered_by
), journalled as (
	insert into journal (id, tenant_id, run_id, seq, kind, at, data)
	select nextval('journal_id_seq'), :tenant_id, s.id, 1, 'created', now(),
		json_build_object('trigger_type', s.trigger_type, 'triggered_by', s.triggered_by)
	from started s
), runs_made as (
	select coalesce(json_agg(s.id order by s.id), '[]') as ids,
		coalesce(json_agg(json_build_object(
			'id', s.id,
			'run_id', s.id,
			'execution_id', s.id,
			'workflow_id', s.workflow_id,
			'workflow_name', t.name,
			'status', s.status) order by s.id), '[]') as runs,
		count(*) as n
	from started s
	join triggered t on t.id = s.workflow_id
), answer as (
	select 201 as status,
		json_build_object(
-- include: _file_members
			, 'run_ids', r.ids,
			'started_run_ids', r.ids,
			'runs', r.runs) as body,
		'/api/v1/files/' || f.id as location,
		1::int8 as version,
		null as error,
		'file' as entity_type,
		f.id as entity_id,
		'created' as action,
		jsonb_build_object('name', f.name, 'size', f.size, 'sha256', f.sha256, 'runs', r.ids) as changes,
		case when r.n > 0 then 'r' end as wake
	from made f
	cross join runs_made r
)
