-- Verify millrace:files
begin;
set local search_path = millrace, pg_temp;
select id, tenant_id, name, extension, content_type, size, sha256, storage_key, created_by_id, created_by, created_at,
	deleted_at from files where false;
rollback;
