-- name:    tenant_metrics_series
-- purpose: what engines and roll-ups counted for the caller's tenant
-- params:
-- returns: many (series text, numbers float8[])
-- flags:   read slow
select series, numbers
from tenant_metrics_series()
