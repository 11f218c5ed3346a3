-- Where an automatic pair is from, and what its CA says about replacing it (RFC 9773).
ALTER TABLE certificate_pairs ADD COLUMN directory TEXT NOT NULL DEFAULT '';
ALTER TABLE certificate_pairs ADD COLUMN account TEXT NOT NULL DEFAULT '';
ALTER TABLE certificate_pairs ADD COLUMN profile TEXT NOT NULL DEFAULT '';
ALTER TABLE certificate_pairs ADD COLUMN window_start_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE certificate_pairs ADD COLUMN window_end_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE certificate_pairs ADD COLUMN window_selected_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE certificate_pairs ADD COLUMN window_check_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE certificate_pairs ADD COLUMN window_errors INTEGER NOT NULL DEFAULT 0;
ALTER TABLE certificate_pairs ADD COLUMN window_explanation TEXT NOT NULL DEFAULT '';
