-- name:    admin_certificate_create
-- purpose: maps a client certificate to a principal; the same certificate again changes that
-- params:  tenant_id int8, principal_id int8, fingerprint text, subject text, scopes text[], expires_at timestamptz?
-- returns: one (certificate_id int8)
-- flags:   write system
insert into client_certificates (tenant_id, principal_id, fingerprint, subject, scopes, expires_at)
values (:tenant_id, :principal_id, :fingerprint, :subject, :scopes, :expires_at)
on conflict (fingerprint) do update
set tenant_id = excluded.tenant_id, principal_id = excluded.principal_id, subject = excluded.subject, scopes = excluded.scopes,
	expires_at = excluded.expires_at, revoked_at = null
returning id as certificate_id
