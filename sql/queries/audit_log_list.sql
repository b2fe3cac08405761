-- name:    audit_log_list
-- purpose: one page of the tenant's audit log, newest first
-- params:  entity_type text?, entity_id int8?, action text?, outcome text?, user_id int8?, address text?, correlation_id text?, from timestamptz?, to timestamptz?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   -timestamp = a.at timestamptz
-- index:   audit_logs_at_idx
-- Whatever is filtered by, an index has it in this order: a page costs a page. Of several filters the narrowest finds
-- the entries, and the others are looked for among ten thousand of those, from the page's place on: where those are not
-- all, the page may be short, and the next one begins behind them.
with wanted as materialized (
	select f.filtered, case when f.filtered then 10000 else :page_limit + 1 end as n,
		case when f.filtered then 0 else :page_offset end as skip
	from (select num_nonnulls(:correlation_id, :entity_id, :address, :user_id, :action, :entity_type, :outcome) > 1 as filtered) f
), looked_at as materialized (
	select a as row, a.id, ({key})::text as key
	from audit_logs a
	where true
		and a.at >= :from -- ?from
		and a.at < :to -- ?to
		and a.correlation_id = :correlation_id -- ?correlation_id
		and a.entity_id = :entity_id -- ?entity_id ?!correlation_id
		and a.address = :address -- ?address ?!correlation_id ?!entity_id
		and a.user_id = :user_id -- ?user_id ?!correlation_id ?!entity_id ?!address
		and a.action = :action -- ?action ?!correlation_id ?!entity_id ?!address ?!user_id
		and a.entity_type = :entity_type -- ?entity_type ?!correlation_id ?!entity_id ?!address ?!user_id ?!action
		and a.outcome = :outcome -- ?outcome ?!correlation_id ?!entity_id ?!address ?!user_id ?!action ?!entity_type
		and ({key}, a.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
	order by {key} {dir}, a.id {dir}
	limit (select w.n from wanted w)
	offset (select w.skip from wanted w)
), found as materialized (
	select l.*
	from looked_at l
	where true
		and (l.row).entity_id = :entity_id -- ?entity_id
		and (l.row).address = :address -- ?address
		and (l.row).user_id = :user_id -- ?user_id
		and (l.row).action = :action -- ?action
		and (l.row).entity_type = :entity_type -- ?entity_type
		and (l.row).outcome = :outcome -- ?outcome
), numbered as (
	select f.*, row_number() over () as n
	from (select f.* from found f limit :page_limit + 1 offset (select :page_offset - w.skip from wanted w)) f
), counted as materialized (
	select case
		when not w.filtered then (
			select count(*)
			from (
				select 1
				from audit_logs a
				where true
					and a.at >= :from -- ?from
					and a.at < :to -- ?to
					and a.correlation_id = :correlation_id -- ?correlation_id
					and a.entity_id = :entity_id -- ?entity_id ?!correlation_id
					and a.address = :address -- ?address ?!correlation_id ?!entity_id
					and a.user_id = :user_id -- ?user_id ?!correlation_id ?!entity_id ?!address
					and a.action = :action -- ?action ?!correlation_id ?!entity_id ?!address ?!user_id
					and a.entity_type = :entity_type -- ?entity_type ?!correlation_id ?!entity_id ?!address ?!user_id ?!action
					and a.outcome = :outcome -- ?outcome ?!correlation_id ?!entity_id ?!address ?!user_id ?!action ?!entity_type
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
	select coalesce(json_agg(audit_json(p.row) order by p.n) filter (where p.n <= :page_limit), '[]') as items,
		case when count(*) > :page_limit then max(p.key) filter (where p.n = :page_limit) end as next_key,
		case when count(*) > :page_limit then max(p.id) filter (where p.n = :page_limit) end as next_id
	from numbered p
)
select l.items, coalesce(l.next_key, (select a.key from last a)) as next_key,
	coalesce(l.next_id, (select a.id from last a)) as next_id,
	case when :want_total then (select n from counted) end as total,
	case when :want_total and (select w.filtered from wanted w) then (select count(*) from found) end as total_estimate
from listed l
