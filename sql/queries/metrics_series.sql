-- name:    metrics_series
-- purpose: what engines and roll-ups counted, of all tenants, for the operator's /metrics
-- params:
-- returns: many (tenant text, series text, numbers float8[])
-- flags:   read slow
select tenant, series, numbers
from metrics_series()
