-- How an upstream is spoken to: whether members are added to bodies, and the service tier of its project.
ALTER TABLE upstream
  ADD COLUMN adds_members boolean NOT NULL DEFAULT true,
  ADD COLUMN project_tier text CHECK (project_tier IN ('flex', 'priority'));
