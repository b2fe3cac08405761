-- name:    _window_end
-- purpose: where the next page begins, and how many there are: behind the items of a list that looks at a window
-- params:  page_limit int4, want_total bool
-- include: _next_place
)
select l.items, coalesce(l.next_key, (select a.key from last a)) as next_key,
	coalesce(l.next_id, (select a.id from last a)) as next_id,
	case when :want_total then (select n from counted) end as total,
	case when :want_total and (select w.filtered from wanted w) then (select count(*) from found) end as total_estimate
from listed l
