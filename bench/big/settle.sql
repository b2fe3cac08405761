-- Statistics, and nothing left to write: what is measured then does not meet the work that a load, or the
-- measurement before, left to vacuum, analyze and the checkpointer.
vacuum (freeze, analyze);
checkpoint;
