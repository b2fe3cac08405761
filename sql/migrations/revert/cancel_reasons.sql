-- Revert millrace:cancel_reasons
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

create or replace function step_words(code text, last journal, events text, child bigint) returns text
language sql stable parallel safe
return case code
	when 'WAITING_FOR_EVENT' then concat('It waits for ', coalesce(events, 'an event'), ', since ', ts(last.at),
		', until ' || (last.data ->> 'until'), '.')
	when 'WAITING_FOR_CHILD' then concat('It waits for run ', child, ', which it started, since ', ts(last.at), '.')
	when 'WAITING_FOR_TIME' then concat('It waits until ', coalesce(last.data ->> 'until', 'a time'), '.')
	when 'RETRYING' then concat('Attempt ', coalesce(last.attempt, 1), ' failed and it will be tried again at ', last.data ->> 'next_at', ': ',
		last.data -> 'error' ->> 'message')
	when 'CATCHING' then concat('It failed, and entry ', coalesce((last.data ->> 'catch')::int, 0) + 1, ' of its catch handles that: ',
		last.data -> 'error' ->> 'message')
	when 'RUNNING' then concat('It runs, attempt ', coalesce(last.attempt, 1), ', since ', ts(last.at), '.')
	when 'COMPLETED' then 'It completed.'
	when 'COMPLETED_BY_CATCH' then concat('It failed, and its catch put that right: ', last.data -> 'error' ->> 'message')
	when 'FAILED' then concat('It failed in attempt ', coalesce(last.attempt, 1), ': ', last.data -> 'error' ->> 'message')
	when 'FAILED_HANDLED' then concat('It failed, and ', case last.data ->> 'handled'
			when 'catch' then 'entry ' || coalesce((last.data ->> 'catch')::int, 0) + 1 || ' of its catch says how it goes on: '
			else 'on_error says to go on: ' end, last.data -> 'error' ->> 'message')
	when 'SKIPPED' then case last.data ->> 'reason'
		when 'when' then 'It was skipped: its condition was false.'
		when 'path_not_taken' then 'It was skipped: the run went another way.'
		when 'join' then 'It was skipped: what its join asks of the steps before it can not come any more.'
		when 'cancel_rest' then 'It was skipped: another one was first, and the rest was not wanted any more.'
		else concat('It was skipped: ', last.data ->> 'reason') end
	when 'CANCELLED' then case last.data ->> 'reason'
		when 'cancelled' then 'It was cancelled with the run.'
		when 'failed' then 'It was cancelled: a step beside it failed.'
		when 'timed_out' then 'It was cancelled: the time of the run or of the step that holds it was over.'
		when 'cancel_rest' then 'It was cancelled: another one was first, and the rest was not wanted any more.'
		else concat('It was cancelled: ', last.data ->> 'reason') end
	when 'COMPENSATED' then 'It completed, and was undone because the run failed.'
	when 'COMPENSATION_FAILED' then concat('It completed, and could not be undone: ', last.data -> 'error' ->> 'message')
	else null end;

commit;
