-- Verify millrace:log_lines
begin;
set local search_path = millrace, pg_temp;

select 1 / (log_message('step.completed', 'a', 1, '{"type": "log", "output": {"message": "m", "level": "warning"}}') = 'm'
	and log_level('step.completed', '{"type": "log", "output": {"message": "m", "level": "warning"}}') = 'warning')::int;
rollback;
