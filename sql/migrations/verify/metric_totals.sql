-- Verify millrace:metric_totals
begin;
set local search_path = millrace, pg_temp;
select tenant_id, series, numbers from metric_totals where false;
select 1 / (count(*) = 7)::int
from pg_proc
where pronamespace = 'millrace'::regnamespace
	and proname in ('numbers_add', 'numbers_sum', 'metrics_counted', 'metric_totals_add', 'metric_series', 'metrics_series', 'tenant_metrics_series');
rollback;
