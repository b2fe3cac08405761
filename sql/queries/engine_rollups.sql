-- name:    engine_rollups
-- purpose: ends of runs are summed up by hour, old hours by day, and old days go; nothing when another engine is at it. What was added to tallies becomes sums
-- params:  hours_days int4, days int4, batch int4
-- returns: one (ends int8, hours int8, gone int8)
-- flags:   write system slow
select ends, hours, gone
from rollups_upkeep(:hours_days, :days, :batch),
	(select tallies_fold()) f
