-- name:    workflow_list
-- purpose: one page of the tenant's workflows; deleted ones only when asked for
-- params:  status text[]?, tag text[]?, owner text?, search text?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   created_at = w.created_at timestamptz, -id = w.created_at timestamptz, updated_at = w.updated_at timestamptz, name = w.name text
-- index:   workflows_listed_idx
-- Each status is read in order from an index of its own, and the pages are merged. What no index knows is looked for
-- among ten thousand workflows from the page's place on: where those are not all, the page may be short, and the next
-- one begins behind them.
with wanted as materialized (
	select f.filtered, case when f.filtered then 10000 else :page_limit + 1 end as n,
		case when f.filtered then 0 else :page_offset end as skip
	from (select coalesce(:tag::text, :owner, :search) is not null as filtered) f
), asked as materialized (
	select distinct u.status
	from unnest(coalesce(:status, '{active,inactive,paused}')) as u (status)
), looked_at as materialized (
	select w.id, w.name, w.description, w.tags, w.created_by, w.rendered_summary, ({key})::text as key
	from asked s
	cross join lateral (
		select w.*
		from workflows w
		where w.status = s.status
			and ({key}, w.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
		order by {key} {dir}, w.id {dir}
		limit (select w.n + w.skip from wanted w)
	) w
	order by {key} {dir}, w.id {dir}
	limit (select w.n from wanted w)
	offset (select w.skip from wanted w)
), found as materialized (
	select l.*
	from looked_at l
	where true
		and l.tags @> :tag -- ?tag
		and l.created_by = :owner -- ?owner
		and (strpos(lower(l.name), lower(:search)) > 0 or strpos(lower(l.description), lower(:search)) > 0) -- ?search
), numbered as (
	select f.*, row_number() over () as n
	from (select f.* from found f limit :page_limit + 1 offset (select :page_offset - w.skip from wanted w)) f
), counted as materialized (
	select case
		when not w.filtered then (
			select count(*)
			from (
				select 1
				from asked s
				join workflows w on w.status = s.status
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
	select ('[' || coalesce(string_agg('{' || rendered_summary || '}', ',' order by n) filter (where n <= :page_limit), '') || ']') as items,
		case when count(*) > :page_limit then max(key) filter (where n = :page_limit) end as next_key,
		case when count(*) > :page_limit then max(id) filter (where n = :page_limit) end as next_id
	from numbered
)
select l.items, coalesce(l.next_key, (select a.key from last a)) as next_key,
	coalesce(l.next_id, (select a.id from last a)) as next_id,
	case when :want_total then (select n from counted) end as total,
	case when :want_total and (select w.filtered from wanted w) then (select count(*) from found) end as total_estimate
from listed l
