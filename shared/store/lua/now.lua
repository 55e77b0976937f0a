-- Read the store's clock.
-- KEYS: 1 any key of the stage; by it, a cluster finds the stage's node
-- ARGV: 1 clock
-- Returns: the time in ms
-- One step: it is a single read.
return moment
