-- Three journal rows for each of them: created, its only step, its end.
copy (
	select n * 3 + k, case when n % 2000 = 0 then f.id else b.id end, n, k + 1, (array['created', 'step.completed', case when n % 100 = 0 then 'failed' else 'completed' end])[k + 1],
		case when k = 1 then 'one' end, case when k = 1 then n * 3 + 1 end,
		now() - (:runs - n) * (interval '10 days' / :runs), case when k = 1 then 0 end,
		case k when 0 then '{"trigger_type":"manual","triggered_by":"bench"}' when 1 then '{"type":"log","order":1,"output":{"message":"one","level":"info"}}' else '{}' end
	from (select id from millrace.tenants where name = 'big') b
	cross join (select id from millrace.tenants where name = 'few') f
	cross join generate_series(1, :runs) n
	cross join generate_series(0, 2) k
) to stdout
