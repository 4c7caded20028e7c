-- What lies with a provider for one account: conversations, stored chat completions, responses that run in the background
-- or were deleted. All accounts share the operator's project with the provider, so that only this says whose an id is; of
-- an id that one upstream gives twice, the first account has it. Other responses are told by their charges.
CREATE TABLE resource (
  kind        text NOT NULL,
  id          text NOT NULL,
  upstream_id uuid NOT NULL,
  account_id  uuid NOT NULL,
  api_key_id  uuid NOT NULL, -- that made it
  parent      text, -- the resource that it lies in; null: none
  created_at  timestamptz NOT NULL DEFAULT now(),
  deleted_at  timestamptz,
  PRIMARY KEY (kind, id, upstream_id)
);
-- Lists are read from here, and never asked of the provider.
CREATE INDEX resource_list_idx ON resource (account_id, kind, created_at DESC, id);
