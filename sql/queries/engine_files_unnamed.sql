-- name:    engine_files_unnamed
-- purpose: those of these keys of the file store that no file has, or only a deleted one
-- params:  storage_keys text[]
-- returns: many (storage_key text)
-- flags:   read
select k.storage_key
from unnest(:storage_keys) as k (storage_key)
where not exists (
	select 1
	from files f
	where f.storage_key = k.storage_key
		and f.deleted_at is null)
