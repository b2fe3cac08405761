-- name:    audit_log_list
-- purpose: one page of the tenant's audit log, newest first
-- params:  entity_type text?, entity_id int8?, action text?, outcome text?, user_id int8?, address text?, correlation_id text?, from timestamptz?, to timestamptz?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   -timestamp = a.at timestamptz
-- index:   audit_logs_at_idx
-- Whatever is filtered by, an index has it in this order: a page costs a page. Of several filters the narrowest finds
-- the entries, and the others are looked for among those.
with sought as (
	select num_nonnulls(:correlation_id, :entity_id, :address, :user_id, :action, :entity_type, :outcome) > 1 as filtered
-- include: _window
), looked_at as materialized (
	select a as row, a.id, ({key})::text as key
	from audit_logs a
	where true
-- include: _audit_log_narrowest
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
), countable as (
	select 1
	from audit_logs a
	where true
-- include: _audit_log_narrowest
-- include: _window_page
), listed as (
	select coalesce(json_agg(audit_json(p.row) order by p.n) filter (where p.n <= :page_limit), '[]') as items,
-- include: _window_end
