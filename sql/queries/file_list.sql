-- name:    file_list
-- purpose: one page of the tenant's files, newest first
-- params:  search text?, run_id int8?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   -created_at = f.created_at timestamptz, -id = f.created_at timestamptz, name = f.name text, -size = f.size int8
-- index:   files_tenant_idx
-- What no index knows is looked for among ten thousand files from the page's place on: where those are not all, the
-- page may be short, and the next one begins behind them.
with wanted as materialized (
	select f.filtered, case when f.filtered then 10000 else :page_limit + 1 end as n,
		case when f.filtered then 0 else :page_offset end as skip
	from (select coalesce(:search) is not null as filtered) f
), looked_at as materialized (
	select f.*, ({key})::text as key
	from files f
	where f.deleted_at is null
		and f.run_id = :run_id -- ?run_id
		and ({key}, f.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
	order by {key} {dir}, f.id {dir}
	limit (select w.n from wanted w)
	offset (select w.skip from wanted w)
), found as materialized (
	select l.*
	from looked_at l
	where true
		and strpos(lower(l.name), lower(:search)) > 0 -- ?search
), numbered as (
	select f.*, row_number() over () as n
	from (select f.* from found f limit :page_limit + 1 offset (select :page_offset - w.skip from wanted w)) f
), counted as materialized (
	select case
		when not w.filtered then (
			select count(*)
			from (
				select 1
				from files f
				where f.deleted_at is null
					and f.run_id = :run_id -- ?run_id
				limit 10001
			) c)
		when (select count(*) from looked_at) = w.n then 10001
		else (select count(*) from found) end as n
	from wanted w
), last as materialized ( -- looked at, where more may be behind it
	select l.key, l.id
	from wanted w
	cross join lateral (select l.key, l.id from looked_at l offset w.n - 1) l
	where w.filtered
), listed as (
	select coalesce(json_agg(json_build_object(
				'id', p.id,
				'file_id', p.id,
				'name', p.name,
				'filename', p.name,
				'extension', p.extension,
				'content_type', p.content_type,
				'size', p.size,
				'sha256', p.sha256,
				'url', '/api/v1/files/' || p.id || '/content',
				'run_id', p.run_id,
				'created_by', p.created_by,
				'created_at', ts(p.created_at)) order by p.n) filter (where p.n <= :page_limit), '[]') as items,
		case when count(*) > :page_limit then max(p.key) filter (where p.n = :page_limit) end as next_key,
		case when count(*) > :page_limit then max(p.id) filter (where p.n = :page_limit) end as next_id
	from numbered p
)
select l.items, coalesce(l.next_key, (select a.key from last a)) as next_key,
	coalesce(l.next_id, (select a.id from last a)) as next_id,
	case when :want_total then (select n from counted) end as total,
	case when :want_total and (select w.filtered from wanted w) then (select count(*) from found) end as total_estimate
from listed l
