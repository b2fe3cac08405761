-- name:    bus_notify
-- purpose: sends one wake-up to whoever listens
-- params:  payload text
-- returns: none
-- flags:   read
select pg_notify('millrace', :payload)
