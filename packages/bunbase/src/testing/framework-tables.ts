// The framework's tables in SQLite, as the server makes them: `crates/actions/migrations/sqlite` without its comments, to
// which a test holds it.

export const FRAMEWORK_TABLES = `
CREATE TABLE users (
    id TEXT PRIMARY KEY NOT NULL,
    email TEXT NOT NULL COLLATE NOCASE UNIQUE,
    username TEXT UNIQUE,
    phone TEXT UNIQUE,
    name TEXT,
    password_hash TEXT,
    role TEXT,
    email_verified_at INTEGER,
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    updated_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    CHECK (length(email) BETWEEN 3 AND 254)
) STRICT;

CREATE TABLE sessions (
    id TEXT PRIMARY KEY NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    org_id TEXT,
    payload TEXT NOT NULL DEFAULT '{}',
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    expires_at INTEGER NOT NULL,
    last_active_at INTEGER,
    revoked_at INTEGER,
    ip TEXT,
    user_agent TEXT
) STRICT;
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE organizations (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    slug TEXT NOT NULL UNIQUE,
    owner_id TEXT NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    updated_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    CHECK (length(name) > 0),
    CHECK (length(slug) > 0 AND slug = lower(slug))
) STRICT;
CREATE INDEX organizations_owner ON organizations (owner_id);

CREATE TABLE org_memberships (
    id TEXT PRIMARY KEY NOT NULL,
    org_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT NOT NULL DEFAULT 'member',
    joined_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    UNIQUE (org_id, user_id),
    CHECK (length(role) > 0)
) STRICT;
CREATE INDEX org_memberships_user ON org_memberships (user_id);

CREATE TABLE org_invitations (
    id TEXT PRIMARY KEY NOT NULL,
    org_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    email TEXT NOT NULL,
    role TEXT NOT NULL DEFAULT 'member',
    token_hash TEXT NOT NULL UNIQUE,
    invited_by TEXT REFERENCES users (id) ON DELETE SET NULL,
    status TEXT NOT NULL DEFAULT 'pending',
    expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    CHECK (status IN ('pending', 'accepted', 'declined', 'revoked', 'expired'))
) STRICT;
CREATE INDEX org_invitations_org ON org_invitations (org_id, status);
CREATE INDEX org_invitations_email ON org_invitations (email);

CREATE TABLE roles (
    id TEXT PRIMARY KEY NOT NULL,
    key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT,
    weight INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    CHECK (length(key) > 0)
) STRICT;

CREATE TABLE permissions (
    id TEXT PRIMARY KEY NOT NULL,
    key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT,
    CHECK (length(key) > 0)
) STRICT;

CREATE TABLE role_permissions (
    role_id TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    permission_id TEXT NOT NULL REFERENCES permissions (id) ON DELETE CASCADE,
    PRIMARY KEY (role_id, permission_id)
) STRICT;
CREATE INDEX role_permissions_permission ON role_permissions (permission_id);

CREATE TABLE plans (
    id TEXT PRIMARY KEY NOT NULL,
    key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    price_cents INTEGER NOT NULL DEFAULT 0,
    CHECK (price_cents >= 0)
) STRICT;

CREATE TABLE features (
    id TEXT PRIMARY KEY NOT NULL,
    key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT
) STRICT;

CREATE TABLE plan_features (
    plan_id TEXT NOT NULL REFERENCES plans (id) ON DELETE CASCADE,
    feature_id TEXT NOT NULL REFERENCES features (id) ON DELETE CASCADE,
    PRIMARY KEY (plan_id, feature_id)
) STRICT;
CREATE INDEX plan_features_feature ON plan_features (feature_id);

CREATE TABLE subscriptions (
    id TEXT PRIMARY KEY NOT NULL,
    org_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    plan_key TEXT NOT NULL REFERENCES plans (key) ON UPDATE CASCADE,
    status TEXT NOT NULL DEFAULT 'active',
    trial_ends_at INTEGER,
    current_period_end INTEGER NOT NULL,
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    updated_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    CHECK (status IN ('active', 'trialing', 'past_due', 'canceled', 'expired')),
    CHECK (status <> 'trialing' OR trial_ends_at IS NOT NULL)
) STRICT;
CREATE INDEX subscriptions_org ON subscriptions (org_id, created_at);
CREATE UNIQUE INDEX subscriptions_running ON subscriptions (org_id)
    WHERE status IN ('active', 'trialing', 'past_due');

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    key_hash TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL DEFAULT '[]',
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    last_used_at INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE INDEX api_keys_user ON api_keys (user_id);


INSERT INTO roles (id, key, name, description, weight) VALUES
    ('00000000-0000-7000-8000-000000000101', 'owner', 'Owner', 'Whoever made the organisation', 200),
    ('00000000-0000-7000-8000-000000000102', 'org:admin', 'Administrator', 'Runs the organisation', 100),
    ('00000000-0000-7000-8000-000000000103', 'org:billing_manager', 'Billing manager', 'Pays', 50),
    ('00000000-0000-7000-8000-000000000104', 'org:member', 'Member', 'Works in the organisation', 10)
ON CONFLICT (key) DO NOTHING;

INSERT INTO permissions (id, key, name, description) VALUES
    ('00000000-0000-7000-8000-000000000201', 'org:read', 'Read the organisation', NULL),
    ('00000000-0000-7000-8000-000000000202', 'org:update', 'Change the organisation', NULL),
    ('00000000-0000-7000-8000-000000000203', 'org:delete', 'Delete the organisation', NULL),
    ('00000000-0000-7000-8000-000000000204', 'members:read', 'See the members', NULL),
    ('00000000-0000-7000-8000-000000000205', 'members:manage', 'Add, change and remove members', NULL),
    ('00000000-0000-7000-8000-000000000206', 'invitations:manage', 'Invite people', NULL),
    ('00000000-0000-7000-8000-000000000207', 'billing:read', 'See plan and subscription', NULL),
    ('00000000-0000-7000-8000-000000000208', 'billing:manage', 'Change plan and subscription', NULL),
    ('00000000-0000-7000-8000-000000000209', 'roles:manage', 'Change roles and their permissions', NULL)
ON CONFLICT (key) DO NOTHING;

INSERT INTO role_permissions (role_id, permission_id)
SELECT roles.id, permissions.id FROM roles CROSS JOIN permissions
WHERE roles.key = 'owner'
    OR (roles.key = 'org:admin' AND permissions.key <> 'org:delete')
    OR (roles.key = 'org:billing_manager'
        AND permissions.key IN ('org:read', 'members:read', 'billing:read', 'billing:manage'))
    OR (roles.key = 'org:member' AND permissions.key IN ('org:read', 'members:read'))
ON CONFLICT (role_id, permission_id) DO NOTHING;

INSERT INTO plans (id, key, name, price_cents) VALUES
    ('00000000-0000-7000-8000-000000000301', 'free', 'Free', 0),
    ('00000000-0000-7000-8000-000000000302', 'starter', 'Starter', 2900),
    ('00000000-0000-7000-8000-000000000303', 'pro', 'Pro', 9900),
    ('00000000-0000-7000-8000-000000000304', 'enterprise', 'Enterprise', 29900)
ON CONFLICT (key) DO NOTHING;

INSERT INTO features (id, key, name, description) VALUES
    ('00000000-0000-7000-8000-000000000401', 'api_access', 'API access', NULL),
    ('00000000-0000-7000-8000-000000000402', 'team', 'Team members', NULL),
    ('00000000-0000-7000-8000-000000000403', 'webhooks', 'Webhooks', NULL),
    ('00000000-0000-7000-8000-000000000404', 'analytics', 'Analytics', NULL),
    ('00000000-0000-7000-8000-000000000405', 'custom_domain', 'Custom domain', NULL),
    ('00000000-0000-7000-8000-000000000406', 'priority_support', 'Priority support', NULL),
    ('00000000-0000-7000-8000-000000000407', 'audit_log', 'Audit log', NULL),
    ('00000000-0000-7000-8000-000000000408', 'sso', 'Single sign-on', NULL)
ON CONFLICT (key) DO NOTHING;

INSERT INTO plan_features (plan_id, feature_id)
SELECT plans.id, features.id FROM plans CROSS JOIN features
WHERE plans.key = 'enterprise'
    OR (plans.key = 'pro' AND features.key NOT IN ('audit_log', 'sso'))
    OR (plans.key = 'starter' AND features.key IN ('api_access', 'team', 'webhooks'))
    OR (plans.key = 'free' AND features.key = 'api_access')
ON CONFLICT (plan_id, feature_id) DO NOTHING;
`;
