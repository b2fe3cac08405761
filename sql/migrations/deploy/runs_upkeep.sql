-- Deploy millrace:runs_upkeep
-- What keeps look-ups flat when there are millions of runs.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

-- Lists of one workflow by status; those that are active are few, and most ended ones have completed.
create index runs_workflow_ended_idx on runs (workflow_id, status, created_at, id)
	where status in ('failed', 'cancelled', 'timed_out', 'compensated');

-- How a partition is looked after:
-- * Every run leaves a dead entry in the queue's index, which each claim walks over until they are vacuumed.
--   Of a large table they would be a twentieth before a vacuum begins, and it would then pass over the indexes,
--   because few pages are concerned.
-- * A workflow with nearly all of the runs must not make the planner believe that there are no others,
--   and look for another one's runs in the whole tenant's list.
create function partition_upkeep(part regclass) returns void
language plpgsql
as $$
begin
	execute format('alter table %s set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, vacuum_index_cleanup = on)', part);
	execute format('alter table %s alter column workflow_id set (n_distinct = 10000)', part);
end
$$;

-- Among indexes that cost the same the planner takes the one made last. In a partition that was vacuumed while it
-- was empty that is every one that holds the id in any place, and plans are kept while the partition
-- is filled: so the primary key is made last.
create or replace function partition_make(p bigint) returns void
language plpgsql
as $$
declare
	size constant bigint := 20000000;
	parent text;
	part text;
	definition text;
begin
	foreach parent in array '{runs,journal}'::text[] loop
		part := format('%s_p%s', parent, p);
		continue when to_regclass(format('millrace.%I', part)) is not null;
		execute format('create table millrace.%I (like millrace.%I including defaults including constraints
				including storage including compression)
			with (fillfactor = %s, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02)',
			part, parent, case parent when 'runs' then 80 else 100 end);
		execute format('alter table millrace.%I enable row level security, force row level security', part);
		for definition in
			select pg_get_indexdef(i.indexrelid)
			from pg_index i
			where i.indrelid = format('millrace.%I', parent)::regclass
				and not i.indisprimary
			order by i.indexrelid
		loop
			execute regexp_replace(definition, '^CREATE (UNIQUE )?INDEX \S+ ON ONLY \S+',
				format('CREATE \1INDEX ON millrace.%I', part));
		end loop;
		execute format('alter table millrace.%I add primary key (%s)', part, case parent when 'runs' then 'id' else 'run_id, seq' end);
		execute format('alter table millrace.%I attach partition millrace.%I for values from (%s) to (%s)',
			parent, part, p * size, (p + 1) * size);
	end loop;
	perform partition_upkeep(format('millrace.runs_p%s', p)::regclass);
end
$$;

-- Partitions without runs are made anew, the others are told the same.
do $$
declare
	size constant bigint := 20000000;
	p bigint;
begin
	lock table runs, journal in access exclusive mode;
	for p in
		select substr(c.relname, 7)::bigint
		from pg_inherits i
		join pg_class c on c.oid = i.inhrelid
		where i.inhparent = 'runs'::regclass
			and c.relname ~ '^runs_p[0-9]+$'
	loop
		if exists (select 1 from runs where id >= p * size and id < (p + 1) * size)
			or exists (select 1 from journal where run_id >= p * size and run_id < (p + 1) * size)
		then
			perform partition_upkeep(format('runs_p%s', p)::regclass);
		else
			execute format('drop table runs_p%1$s, journal_p%1$s', p);
			perform partition_make(p);
		end if;
	end loop;
end
$$;

-- Obeyed ones are kept for a day, those that are not are looked for all the time.
alter table run_commands set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, vacuum_index_cleanup = on);

commit;
