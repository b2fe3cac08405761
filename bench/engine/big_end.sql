-- The ids that were given away, statistics, and nothing left to write: what is measured then does not
-- meet the work that a load leaves to vacuum, analyze and the checkpointer.
set search_path = millrace;
select setval('run_id_seq', :runs), setval('journal_id_seq', (:runs * 3 / 1000 + 2) * 1000) \gset
vacuum (freeze, analyze);
checkpoint;
