-- Verify millrace:cancel_reasons
begin;
set local search_path = millrace, pg_temp;
select 1 / (step_words('CANCELLED', jsonb_populate_record(null::journal, '{"data": {"reason": "race"}}'), null, null) like '%branches%'
	and step_words('CANCELLED', jsonb_populate_record(null::journal, '{"data": {"reason": "terminated"}}'), null, null) like '%ended the run%')::int;
rollback;
