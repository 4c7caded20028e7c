-- Prices that an operator has imported from somebody else's list, until an admin takes them over.
CREATE TABLE price_import (
  model             text PRIMARY KEY,
  prices            jsonb NOT NULL,
  context_tokens    integer CHECK (context_tokens > 0),
  max_output_tokens integer CHECK (max_output_tokens > 0),
  source            text NOT NULL,
  imported_at       timestamptz NOT NULL DEFAULT now()
);
