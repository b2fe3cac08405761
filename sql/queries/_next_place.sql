-- name:    _next_place
-- purpose: where the next page begins: behind the items of a list
-- params:  page_limit int4
		case when count(*) > :page_limit then max(p.key) filter (where p.n = :page_limit) end as next_key,
		case when count(*) > :page_limit then max(p.id) filter (where p.n = :page_limit) end as next_id
	from numbered p
