-- Revert millrace:rollup_quantile_loop
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

create or replace function rollup_quantile(buckets int8[], bounds int8[], most_us bigint, p float8) returns float8[]
language sql immutable parallel safe
begin atomic
	with counted as (
		select u.n, coalesce(bounds[u.i - 1], 0)::float8 as low, least(coalesce(bounds[u.i], most_us), most_us)::float8 as high,
			sum(u.n) over (order by u.i) as upto, sum(u.n) over () as n_all
		from unnest(buckets) with ordinality as u (n, i)
	)
	select array[round((c.low + (greatest(c.high, c.low) - c.low) * (p * c.n_all - (c.upto - c.n)) / c.n)::numeric / 1000, 3)::float8,
		c.low / 1000, greatest(c.high, c.low) / 1000]
	from counted c
	where c.n > 0
		and c.upto >= p * c.n_all
	order by c.upto
	limit 1;
end;

commit;
