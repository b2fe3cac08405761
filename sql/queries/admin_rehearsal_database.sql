-- name:    admin_rehearsal_database
-- purpose: the statements that drop and make the database in which changes are rehearsed
-- params:  name text
-- returns: one (gone text, made text)
-- flags:   read
select format('drop database if exists %I with (force)', :name) as gone,
	format('create database %I encoding ''UTF8'' template template0', :name) as made
