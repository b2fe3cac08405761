-- Verify millrace:mend_kinds
begin;
set local search_path = millrace, pg_temp;
do $$
begin
	perform mend('events', 1);
	raise exception 'mend() still knows events';
exception
	when invalid_parameter_value then null;
end
$$;
rollback;
