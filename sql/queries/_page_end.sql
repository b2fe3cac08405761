-- name:    _page_end
-- purpose: where the next page begins, and how many there are: behind the items of a list of entries counted
-- params:  page_limit int4, want_total bool
	case when count(*) > :page_limit then max(p.key) filter (where p.n = :page_limit) end as next_key,
	case when count(*) > :page_limit then max(p.id) filter (where p.n = :page_limit) end as next_id,
	case when :want_total then (select n from counted) end as total,
	null::int8 as total_estimate
from numbered p
