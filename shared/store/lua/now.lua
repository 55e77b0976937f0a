-- Read the store's clock.
-- KEYS: 1 any key of the stage; it only leads the command to the stage's node of a cluster
-- ARGV: 1 clock
-- Returns: the time in ms
-- One step: it is a single read.
return moment
