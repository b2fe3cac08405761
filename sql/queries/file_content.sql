-- name:    file_content
-- purpose: where a file's bytes lie, and what to call them
-- params:  id int8
-- returns: one (storage_key text, name text, content_type text, size int8, sha256 text, created_at_us int8)
-- flags:   read
-- index:   files_pkey
select f.storage_key, f.name, f.content_type, f.size, f.sha256, us(f.created_at) as created_at_us
from files f
where f.id = :id
	and f.deleted_at is null
