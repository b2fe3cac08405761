-- Revert millrace:runs
begin;
set local role millrace_owner;
set local search_path = millrace, pg_temp;
drop function log_rank(text);
drop function run_body(runs, text);
drop function run_time_ms(runs);
drop function starts_later(text, timestamptz);
drop function is_terminal(text);
drop function log_message(text, text, int, json);
drop function log_level(text, json);
drop function event_name(text);
drop function partitions_ensure();
drop function partition_make(bigint);
drop table run_tallies, run_commands, journal, run_states, runs, engines;
drop sequence journal_id_seq, run_id_seq;
commit;
