CREATE TABLE notes (
  id TEXT PRIMARY KEY NOT NULL,
  org_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  -- Nobody: it came from GitHub.
  author_id TEXT REFERENCES users (id) ON DELETE SET NULL,
  title TEXT NOT NULL,
  body TEXT NOT NULL DEFAULT '',
  source TEXT UNIQUE,
  created_at INTEGER NOT NULL
);
CREATE INDEX notes_of_organization ON notes (org_id, created_at);

CREATE TABLE repositories (
  full_name TEXT PRIMARY KEY NOT NULL,
  org_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE
);
