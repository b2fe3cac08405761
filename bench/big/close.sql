-- Attaching makes the indexes that the other partitions have.
select format('alter table %s attach partition %1$s_p0 for values from (0) to (20000000)', :'table') \gexec
