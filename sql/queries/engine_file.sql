-- name:    engine_file
-- purpose: where a tenant's file lies
-- params:  tenant_id int8, file_id int8
-- returns: one (file_id int8, storage_key text, name text, extension text, content_type text, size int8, sha256 text)
-- flags:   read
select id as file_id, storage_key, name, extension, content_type, size, sha256
from files
where tenant_id = :tenant_id
	and id = :file_id
	and deleted_at is null
