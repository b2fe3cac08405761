-- name:    bus_listen
-- purpose: subscribes this connection to the wake-ups that NOTIFY carries
-- params:
-- returns: none
-- flags:   read
select bus_listen()
