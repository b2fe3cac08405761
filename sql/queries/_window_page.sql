-- name:    _window_page
-- purpose: the page of what was found among the entries looked at, and how many there are
-- params:  page_limit int4, page_offset int4
-- Behind looked_at, found (what of it fits) and countable (all that the indexes say fits). Where not all of the
-- entries looked at fit, the page may be short, and the next one begins behind them.
), numbered as (
	select f.*, row_number() over () as n
	from (select f.* from found f limit :page_limit + 1 offset (select :page_offset - w.skip from wanted w)) f
), counted as materialized (
	select case
		when not w.filtered then (select count(*) from (select 1 from countable limit 10001) c)
		when (select count(*) from looked_at) = w.n then 10001
		else (select count(*) from found) end as n
	from wanted w
), last as materialized ( -- looked at, where more may be behind it
	select l.key, l.id
	from wanted w
	cross join lateral (select l.key, l.id from looked_at l offset w.n - 1) l
	where w.filtered
