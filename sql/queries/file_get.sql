-- name:    file_get
-- purpose: what is known of a file, and where it lies
-- params:  id int8
-- returns: one (body json, version int8, storage_key text, name text, content_type text, size int8, sha256 text, created_at_us int8)
-- flags:   read
-- index:   files_pkey
select json_build_object(
-- include: _file_members
		) as body,
	1::int8 as version, f.storage_key, f.name, f.content_type, f.size, f.sha256, us(f.created_at) as created_at_us
from files f
where f.id = :id
	and f.deleted_at is null
