-- name:    rollups_add
-- purpose: what a worker counted since it last wrote; a batch that is sent again is not counted again
-- params:  writer text, batch int8, tenants int8[], hours int8[], routes text[], methods text[], key_ids int8[], principal_ids int8[], workflow_ids int8[], outcomes text[], codes text[], counts int8[], sums_us int8[], most_us int8[], buckets text[]
-- returns: none
-- flags:   write system slow
-- The arrays are parallel; hours are those since 1970, a row of buckets is itself the text of an array.
select rollups_add(:writer, :batch, :tenants, :hours, :routes, :methods, :key_ids, :principal_ids, :workflow_ids, :outcomes, :codes, :counts, :sums_us, :most_us, :buckets)
