-- name:    auth_keys_store
-- purpose: the keys that an issuer's URL answered with, or why it didn't
-- params:  issuer_id int8, url text, keys text?, error text?
-- returns: one (changed bool)
-- flags:   write system
select changed
from auth_keys_store(:issuer_id, :url, :keys, :error)
