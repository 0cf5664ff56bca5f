DELETE FROM role_permissions WHERE permission_id = 'notes-delete';
DELETE FROM permissions WHERE id = 'notes-delete';
