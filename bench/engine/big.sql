-- Finished runs by the million, with three journal rows each, as if the engine had carried them out
-- one after the other: :runs of them, ended in the last ten days, in pieces that commit alone.
\set QUIET on
set search_path = millrace;
set synchronous_commit = off;
set maintenance_work_mem = '512MB';
select set_config('bench.runs', :'runs', false) as runs \gset
create procedure pg_temp.fill() language plpgsql as $$
declare
	wanted constant bigint := current_setting('bench.runs')::bigint;
	piece constant int := 200000;
	first bigint;
	journal_base bigint;
	tenant bigint := (select min(id) from tenants);
	workflow bigint := (select min(id) from workflows);
	made bigint := 0;
begin
	while made < wanted loop
		-- the ids of one piece, taken from the sequences so that nobody else gets them
		first := nextval('run_id_seq');
		perform setval('run_id_seq', first + piece);
		journal_base := nextval('journal_id_seq');
		perform setval('journal_id_seq', journal_base + piece * 3 + 1000);
		insert into runs (id, tenant_id, workflow_id, version, status, queued, fence, seq, trigger_type, triggered_by,
			correlation_id, progress, input, result, created_at, started_at, completed_at)
		select first + n, tenant, workflow, 1, case when n % 100 = 0 then 'failed' else 'completed' end, false, 1, 3, 'manual',
			'bench', md5((first + n)::text), 100, '{"n":1}', '{"one":{"message":"one","level":"info"}}', t.at, t.at, t.at
		from generate_series(0, piece - 1) n
		cross join lateral (select now() - (wanted - made - n) * (interval '10 days' / wanted) as at) t;
		insert into journal (id, tenant_id, run_id, seq, kind, step, step_execution_id, at, duration_us, data)
		select journal_base + n * 3 + k, tenant, first + n, k + 1, (array['created', 'step.completed', 'completed'])[k + 1],
			case when k = 1 then 'one' end, case when k = 1 then journal_base + n * 3 + k end, now(), 0,
			'{"type":"log","order":1,"output":{"message":"one","level":"info"}}'
		from generate_series(0, piece - 1) n
		cross join generate_series(0, 2) k;
		made := made + piece;
		commit;
		perform partitions_ensure();
	end loop;
end
$$;
call pg_temp.fill();
vacuum (analyze, freeze) runs;
vacuum (analyze, freeze) journal;
checkpoint;
