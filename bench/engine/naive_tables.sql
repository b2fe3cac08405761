-- The tables of the naive loop, in a schema of its own: the columns of runs and journal, and the
-- indexes without which nothing of the kind works. runs: the primary key, by which a flush finds
-- its rows; the queue, by which a claim does; the newest-first list of a tenant, which every
-- product has. journal: the primary key and the tail. Not in it: partitions, row security, the
-- lists by workflow and status, correlation, owners. Variable: runs.
\set QUIET on
set client_min_messages = warning;
drop schema if exists bench_naive cascade;
create schema bench_naive;
set search_path = bench_naive;
create table runs (like millrace.runs including defaults including constraints) with (fillfactor = 80);
alter table runs add primary key (id);
create index on runs (priority desc, tenant_id, id) where queued;
create index on runs (tenant_id, created_at, id);
create table journal (like millrace.journal including defaults including constraints);
alter table journal add primary key (run_id, seq);
create index on journal (xid, id);
insert into runs (id, tenant_id, workflow_id, version, seq, trigger_type, triggered_by, correlation_id, input)
select n, 1, 1, 1, 1, 'manual', 'admin', '85c85598d483cc32ea1672a401b56ed7', '{"n": 1}'
from generate_series(1, :runs) n;
vacuum analyze runs;
