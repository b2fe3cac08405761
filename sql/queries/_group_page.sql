-- name:    _group_page
-- purpose: a page of the groups g of sums, in the order asked for
-- params:  after_key text?, after_id int8?, page_limit int4, page_offset int4
), page as materialized (
	select g.*, ({key})::text as key
	from grouped g
	where true
		and ({key}, g.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
	order by {key} {dir}, g.id {dir}
	limit :page_limit + 1
	offset :page_offset
