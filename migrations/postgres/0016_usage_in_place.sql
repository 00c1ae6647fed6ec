-- Counts are added to the same rows every second. With room on their pages they are changed where they are, without new
-- entries in the index; full pages made each change a third dearer, and the table sixteen times as large.
ALTER TABLE usage_summaries SET (fillfactor = 50);
