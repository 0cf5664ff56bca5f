-- Who may delete notes: owners and administrators of an organisation, and not its members.
INSERT INTO permissions (id, key, name) VALUES ('notes-delete', 'notes:delete', 'Delete notes');
INSERT INTO role_permissions (role_id, permission_id)
  SELECT id, 'notes-delete' FROM roles WHERE key IN ('owner', 'org:admin');
