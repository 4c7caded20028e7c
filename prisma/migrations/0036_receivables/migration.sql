-- What users owe is read every few seconds: few accounts are of this kind.
CREATE INDEX account_receivable_idx ON account (user_id) WHERE kind = 'receivable';
