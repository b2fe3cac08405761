-- name:    audit_log_list
-- purpose: one page of the tenant's audit log, newest first
-- params:  entity_type text?, entity_id int8?, action text?, outcome text?, user_id int8?, address text?, correlation_id text?, from timestamptz?, to timestamptz?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   -timestamp = a.at timestamptz
-- index:   audit_logs_at_idx
-- Whatever is filtered by, an index has it in this order: a page costs a page.
with page as materialized (
	select a as row, a.id, ({key})::text as key
	from audit_logs a
	where true
		and a.at >= :from -- ?from
		and a.at < :to -- ?to
		and a.entity_type = :entity_type -- ?entity_type
		and a.entity_id = :entity_id -- ?entity_id
		and a.action = :action -- ?action
		and a.outcome = :outcome -- ?outcome
		and a.user_id = :user_id -- ?user_id
		and a.address = :address -- ?address
		and a.correlation_id = :correlation_id -- ?correlation_id
		and ({key}, a.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
	order by {key} {dir}, a.id {dir}
	limit :page_limit + 1
	offset :page_offset
), numbered as (
	select p.*, row_number() over () as n
	from page p
), counted as materialized (
	select count(*) as n
	from (
		select 1
		from audit_logs a
		where true
			and a.at >= :from -- ?from
			and a.at < :to -- ?to
			and a.entity_type = :entity_type -- ?entity_type
			and a.entity_id = :entity_id -- ?entity_id
			and a.action = :action -- ?action
			and a.outcome = :outcome -- ?outcome
			and a.user_id = :user_id -- ?user_id
			and a.address = :address -- ?address
			and a.correlation_id = :correlation_id -- ?correlation_id
		limit 10001
	) c
)
select coalesce(json_agg(audit_json(p.row) order by p.n) filter (where p.n <= :page_limit), '[]') as items,
	case when count(*) > :page_limit then max(p.key) filter (where p.n = :page_limit) end as next_key,
	case when count(*) > :page_limit then max(p.id) filter (where p.n = :page_limit) end as next_id,
	case when :want_total then (select n from counted) end as total,
	null::int8 as total_estimate
from numbered p
