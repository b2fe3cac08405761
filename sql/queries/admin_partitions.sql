-- name:    admin_partitions
-- purpose: makes partitions ahead, and drops those whose runs all ended so many days ago
-- params:  keep_days int4?
-- returns: one (made int4, dropped int4)
-- flags:   write system slow
select partitions_ensure() as made,
	case when :keep_days is not null then partitions_drop(:keep_days * interval '1 day') else 0 end as dropped
