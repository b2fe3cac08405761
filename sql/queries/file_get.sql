-- name:    file_get
-- purpose: what is known of a file, and where it lies
-- params:  id int8
-- returns: one (body json, version int8, storage_key text, name text, content_type text, size int8, sha256 text, created_at_us int8)
-- flags:   read
-- index:   files_pkey
select json_build_object(
		'id', f.id,
		'file_id', f.id,
		'name', f.name,
		'filename', f.name,
		'extension', f.extension,
		'content_type', f.content_type,
		'size', f.size,
		'sha256', f.sha256,
		'url', '/api/v1/files/' || f.id || '/content',
		'run_id', f.run_id,
		'created_by', f.created_by,
		'created_at', ts(f.created_at)) as body,
	1::int8 as version, f.storage_key, f.name, f.content_type, f.size, f.sha256, us(f.created_at) as created_at_us
from files f
where f.id = :id
	and f.deleted_at is null
