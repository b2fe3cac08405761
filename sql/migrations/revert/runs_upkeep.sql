-- Revert millrace:runs_upkeep
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

alter table run_commands reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, vacuum_index_cleanup);
do $$
declare
	part regclass;
begin
	for part in select inhrelid::regclass from pg_inherits where inhparent = 'runs'::regclass loop
		execute format('alter table %s set (autovacuum_vacuum_scale_factor = 0.05)', part);
		execute format('alter table %s reset (autovacuum_vacuum_threshold, vacuum_index_cleanup)', part);
		execute format('alter table %s alter column workflow_id reset (n_distinct)', part);
	end loop;
end
$$;

create or replace function partition_make(p bigint) returns void
language plpgsql
as $$
declare
	size constant bigint := 20000000;
	parent text;
	part text;
begin
	foreach parent in array '{runs,journal}'::text[] loop
		part := format('%s_p%s', parent, p);
		continue when to_regclass(format('millrace.%I', part)) is not null;
		execute format('create table millrace.%I (like millrace.%I including defaults including constraints
				including storage including compression)
			with (fillfactor = %s, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02)',
			part, parent, case parent when 'runs' then 80 else 100 end);
		execute format('alter table millrace.%I enable row level security, force row level security', part);
		execute format('alter table millrace.%I attach partition millrace.%I for values from (%s) to (%s)',
			parent, part, p * size, (p + 1) * size);
	end loop;
end
$$;

drop function partition_upkeep(regclass);
drop index runs_workflow_ended_idx;

commit;
