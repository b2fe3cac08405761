-- name:    _window
-- purpose: how many entries a list looks at: a page, or ten thousand where no index knows a filter
-- params:  page_limit int4, page_offset int4
-- Behind sought (filtered bool); before looked_at, which takes so many entries from the page's place on.
), wanted as materialized (
	select s.filtered, case when s.filtered then 10000 else :page_limit + 1 end as n,
		case when s.filtered then 0 else :page_offset end as skip
	from sought s
