-- What a hold has taken of the minute's tokens of its key and its user; its settlement gives back what was not used.
ALTER TABLE hold ADD COLUMN taken_tokens bigint NOT NULL DEFAULT 0 CHECK (taken_tokens >= 0);
