-- The first that waits of a group is looked for whenever one of the group ends or is to be claimed.
CREATE INDEX jobs_waiting ON jobs (group_key, priority, id) WHERE state = 'available' AND group_key IS NOT NULL;
