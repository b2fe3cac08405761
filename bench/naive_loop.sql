-- The limit for the engine: one connection that claims 500 runs, appends five journal rows a run and
-- updates each run once, per commit, with nothing carried out. Prints runs a second.
-- Variable: runs. Works in a schema of its own, dropped at the end.
set client_min_messages = warning;
drop schema if exists bench_naive cascade;
create schema bench_naive;
set search_path = bench_naive;
create table runs (id bigint primary key, status text not null, owner bigint, fence bigint not null, input json);
create index on runs (id) where status = 'pending';
create table journal (id bigserial, xid xid8 not null default pg_current_xact_id(), run_id bigint not null,
	seq int not null, kind text not null, at timestamptz not null, data json, primary key (run_id, seq));
create index on journal (xid, id);
insert into runs select n, 'pending', null, 0, '{"n": 1}' from generate_series(1, :runs) n;
vacuum analyze runs;
create procedure loop() language plpgsql as $$
declare
	claimed bigint[];
begin
	loop
		with due as (
			select id from runs where status = 'pending' order by id limit 500 for update skip locked
		), taken as (
			update runs r set status = 'running', owner = 1, fence = fence + 1 from due where r.id = due.id
			returning r.id
		)
		select array_agg(id) into claimed from taken;
		commit;
		exit when claimed is null;
		with held as (
			update runs r set status = 'completed', owner = null
			from unnest(claimed) u(id) where r.id = u.id and r.fence = 1
			returning r.id
		)
		insert into journal (run_id, seq, kind, at, data)
		select held.id, s, 'step.completed', now(), '{"type": "log", "output": {"message": "done"}}'
		from held, generate_series(1, 5) s;
		commit;
	end loop;
end
$$;
select clock_timestamp() as begin \gset
call loop();
select round(:runs / extract(epoch from clock_timestamp() - :'begin'::timestamptz));
drop schema bench_naive cascade;
