-- The ids that were given away.
set search_path = millrace;
select setval('run_id_seq', :runs), setval('journal_id_seq', (:runs * 3 / 1000 + 2) * 1000) \gset
