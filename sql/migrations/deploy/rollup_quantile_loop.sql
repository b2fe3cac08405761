-- Deploy millrace:rollup_quantile_loop
-- A quantile by a loop over fifteen numbers: as a query it took 0.15 ms, four times for each group of an answer.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

create or replace function rollup_quantile(buckets int8[], bounds int8[], most_us bigint, p float8) returns float8[]
language plpgsql immutable parallel safe
as $$
declare
	n_all int8 := 0;
	upto int8 := 0;
	n int8;
	low float8;
	high float8;
begin
	foreach n in array buckets loop
		n_all := n_all + coalesce(n, 0);
	end loop;
	for i in 1 .. cardinality(buckets) loop
		n := coalesce(buckets[i], 0);
		upto := upto + n;
		continue when n = 0 or upto < p * n_all;
		low := coalesce(bounds[i - 1], 0);
		high := greatest(least(coalesce(bounds[i], most_us), most_us), low);
		return array[round((low + (high - low) * (p * n_all - (upto - n)) / n)::numeric / 1000, 3)::float8, low / 1000, high / 1000];
	end loop;
	return null;
end
$$;

commit;
