-- name:    engine_file_create
-- purpose: a file that a step made; what the same execution made before, with the same content, is the same file
-- params:  tenant_id int8, run_id int8, step_execution_id int8, storage_key text, name text, extension text, content_type text, size int8, sha256 text
-- returns: one (file_id int8, storage_key text)
-- flags:   write system
with made as (
	insert into files (tenant_id, name, extension, content_type, size, sha256, storage_key, run_id, step_execution_id,
		created_by)
	select :tenant_id, :name, lower(:extension), :content_type, :size, :sha256, :storage_key, r.id, :step_execution_id,
		r.triggered_by
	from runs r
	where r.id = :run_id
		and r.tenant_id = :tenant_id
	on conflict (step_execution_id, sha256) where step_execution_id is not null and deleted_at is null do nothing
	returning id, storage_key
)
select m.id as file_id, m.storage_key
from made m
union all
select f.id, f.storage_key
from files f
where f.step_execution_id = :step_execution_id
	and f.sha256 = :sha256
	and f.tenant_id = :tenant_id
	and f.deleted_at is null
	and not exists (select 1 from made)
