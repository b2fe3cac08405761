-- :runs finished runs of the last ten days: one in a hundred has failed, one in two thousand is of the
-- tenant with few.
copy (
	select n, w.tenant_id, w.id, 1, case when n % 100 = 0 then 'failed' else 'completed' end, false, 1, 3, 'manual', 'bench', md5(n::text),
		100, '{"n":1}',
		case when n % 100 <> 0 then '{"one":{"message":"one","level":"info"}}' end,
		case when n % 100 = 0 then '{"type":"http.503","message":"away","step":"one","attempt":1}' end,
		t.at, t.at + interval '2 ms', t.at + interval '4 ms'
	from generate_series(1, :runs) n
	cross join lateral (select now() - (:runs - n) * (interval '10 days' / :runs) as at) t
	join millrace.workflows w on w.name = case when n % 2000 = 0 then 'history of few' else 'history of big' end
) to stdout
