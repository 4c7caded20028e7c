-- Returns the lowest id (UUID version 7) of a moment: rows are found by time through the order of their ids.
CREATE OR REPLACE FUNCTION lowest_id_at(at timestamptz)
RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid;
-- version 1, checksum ecbf9bcbcb8451d1
