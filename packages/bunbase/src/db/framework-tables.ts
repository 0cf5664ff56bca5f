/**
 * The framework's own tables (`crates/actions/migrations`), as typegen reads them from SQLite. A test compares; to
 * write it again: `BUNBASE_UPDATE=1 tools/bun test packages/bunbase/src/db/typegen.test.ts`.
 */
export interface BaseDatabase {
  api_keys: {
    Row: {
      id: string;
      user_id: string;
      name: string;
      key_hash: string;
      scopes: string;
      created_at: number;
      last_used_at: number | null;
      revoked_at: number | null;
    };
    Insert: {
      id: string;
      user_id: string;
      name: string;
      key_hash: string;
      scopes?: string;
      created_at?: number | bigint;
      last_used_at?: number | bigint | null;
      revoked_at?: number | bigint | null;
    };
    Update: {
      id?: string;
      user_id?: string;
      name?: string;
      key_hash?: string;
      scopes?: string;
      created_at?: number | bigint;
      last_used_at?: number | bigint | null;
      revoked_at?: number | bigint | null;
    };
  };
  features: {
    Row: {
      id: string;
      key: string;
      name: string;
      description: string | null;
    };
    Insert: {
      id: string;
      key: string;
      name: string;
      description?: string | null;
    };
    Update: {
      id?: string;
      key?: string;
      name?: string;
      description?: string | null;
    };
  };
  org_invitations: {
    Row: {
      id: string;
      org_id: string;
      email: string;
      role: string;
      token_hash: string;
      invited_by: string | null;
      status: string;
      expires_at: number;
      created_at: number;
    };
    Insert: {
      id: string;
      org_id: string;
      email: string;
      role?: string;
      token_hash: string;
      invited_by?: string | null;
      status?: string;
      expires_at: number | bigint;
      created_at?: number | bigint;
    };
    Update: {
      id?: string;
      org_id?: string;
      email?: string;
      role?: string;
      token_hash?: string;
      invited_by?: string | null;
      status?: string;
      expires_at?: number | bigint;
      created_at?: number | bigint;
    };
  };
  org_memberships: {
    Row: {
      id: string;
      org_id: string;
      user_id: string;
      role: string;
      joined_at: number;
    };
    Insert: {
      id: string;
      org_id: string;
      user_id: string;
      role?: string;
      joined_at?: number | bigint;
    };
    Update: {
      id?: string;
      org_id?: string;
      user_id?: string;
      role?: string;
      joined_at?: number | bigint;
    };
  };
  organizations: {
    Row: {
      id: string;
      name: string;
      slug: string;
      owner_id: string;
      created_at: number;
      updated_at: number;
    };
    Insert: {
      id: string;
      name: string;
      slug: string;
      owner_id: string;
      created_at?: number | bigint;
      updated_at?: number | bigint;
    };
    Update: {
      id?: string;
      name?: string;
      slug?: string;
      owner_id?: string;
      created_at?: number | bigint;
      updated_at?: number | bigint;
    };
  };
  permissions: {
    Row: {
      id: string;
      key: string;
      name: string;
      description: string | null;
    };
    Insert: {
      id: string;
      key: string;
      name: string;
      description?: string | null;
    };
    Update: {
      id?: string;
      key?: string;
      name?: string;
      description?: string | null;
    };
  };
  plan_features: {
    Row: {
      plan_id: string;
      feature_id: string;
    };
    Insert: {
      plan_id: string;
      feature_id: string;
    };
    Update: {
      plan_id?: string;
      feature_id?: string;
    };
  };
  plans: {
    Row: {
      id: string;
      key: string;
      name: string;
      price_cents: number;
    };
    Insert: {
      id: string;
      key: string;
      name: string;
      price_cents?: number | bigint;
    };
    Update: {
      id?: string;
      key?: string;
      name?: string;
      price_cents?: number | bigint;
    };
  };
  role_permissions: {
    Row: {
      role_id: string;
      permission_id: string;
    };
    Insert: {
      role_id: string;
      permission_id: string;
    };
    Update: {
      role_id?: string;
      permission_id?: string;
    };
  };
  roles: {
    Row: {
      id: string;
      key: string;
      name: string;
      description: string | null;
      weight: number;
      created_at: number;
    };
    Insert: {
      id: string;
      key: string;
      name: string;
      description?: string | null;
      weight?: number | bigint;
      created_at?: number | bigint;
    };
    Update: {
      id?: string;
      key?: string;
      name?: string;
      description?: string | null;
      weight?: number | bigint;
      created_at?: number | bigint;
    };
  };
  sessions: {
    Row: {
      id: string;
      user_id: string;
      org_id: string | null;
      payload: string;
      created_at: number;
      expires_at: number;
      last_active_at: number | null;
      revoked_at: number | null;
      ip: string | null;
      user_agent: string | null;
    };
    Insert: {
      id: string;
      user_id: string;
      org_id?: string | null;
      payload?: string;
      created_at?: number | bigint;
      expires_at: number | bigint;
      last_active_at?: number | bigint | null;
      revoked_at?: number | bigint | null;
      ip?: string | null;
      user_agent?: string | null;
    };
    Update: {
      id?: string;
      user_id?: string;
      org_id?: string | null;
      payload?: string;
      created_at?: number | bigint;
      expires_at?: number | bigint;
      last_active_at?: number | bigint | null;
      revoked_at?: number | bigint | null;
      ip?: string | null;
      user_agent?: string | null;
    };
  };
  subscriptions: {
    Row: {
      id: string;
      org_id: string;
      plan_key: string;
      status: string;
      trial_ends_at: number | null;
      current_period_end: number;
      created_at: number;
      updated_at: number;
    };
    Insert: {
      id: string;
      org_id: string;
      plan_key: string;
      status?: string;
      trial_ends_at?: number | bigint | null;
      current_period_end: number | bigint;
      created_at?: number | bigint;
      updated_at?: number | bigint;
    };
    Update: {
      id?: string;
      org_id?: string;
      plan_key?: string;
      status?: string;
      trial_ends_at?: number | bigint | null;
      current_period_end?: number | bigint;
      created_at?: number | bigint;
      updated_at?: number | bigint;
    };
  };
  users: {
    Row: {
      id: string;
      email: string;
      username: string | null;
      phone: string | null;
      name: string | null;
      password_hash: string | null;
      role: string | null;
      email_verified_at: number | null;
      created_at: number;
      updated_at: number;
    };
    Insert: {
      id: string;
      email: string;
      username?: string | null;
      phone?: string | null;
      name?: string | null;
      password_hash?: string | null;
      role?: string | null;
      email_verified_at?: number | bigint | null;
      created_at?: number | bigint;
      updated_at?: number | bigint;
    };
    Update: {
      id?: string;
      email?: string;
      username?: string | null;
      phone?: string | null;
      name?: string | null;
      password_hash?: string | null;
      role?: string | null;
      email_verified_at?: number | bigint | null;
      created_at?: number | bigint;
      updated_at?: number | bigint;
    };
  };
}
