-- When progress was reported, and how fast it goes, in percent a minute.
ALTER TABLE coremachine.checkpoints ADD COLUMN progress_at timestamptz, ADD COLUMN progress_rate double precision;

-- How many attempts ended a task of the shard, and when the first of them began: in the row that is changed as a task
-- ends anyway.
ALTER TABLE coremachine.stage_shards ADD COLUMN ended integer NOT NULL DEFAULT 0, ADD COLUMN began_at timestamptz;
