-- name:    _window_fits
-- purpose: those of the entries looked at that fit
-- params:  
-- Behind looked_at (id, key, fits): what is kept of ten thousand entries is narrow, and a page's own are read again.
), found as materialized (
	select l.id, l.key
	from looked_at l
	where l.fits
