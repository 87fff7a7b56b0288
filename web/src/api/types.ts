export type SessionStateName =
  | 'pending'
  | 'starting'
  | 'running'
  | 'hibernating'
  | 'hibernated'
  | 'waking'
  | 'stopping'
  | 'stopped'
  | 'failed';
export type Role = 'admin' | 'user';
export interface User {
  id: string;
  username: string;
  displayName: string;
  role: Role;
  disabled: boolean;
  createdAt: string;
  lastLoginAt?: string;
}
export interface Login {
  user: User;
  csrfToken: string;
  expiresAt: string;
}
export interface SignIn {
  id: string;
  current: boolean;
  createdAt: string;
  lastSeenAt: string;
  expiresAt: string;
  userAgent: string;
  remoteAddr: string;
}
export interface ApiKey {
  id: string;
  name: string;
  hint: string;
  createdAt: string;
  expiresAt?: string;
  lastUsedAt?: string;
}
export interface NewApiKey extends ApiKey {
  key: string;
}
export interface Template {
  name: string;
  displayName: string;
  description: string;
  category: string;
  icon: string;
  tags: string[];
  installed: boolean;
  missing: string[];
  installCommand?: string;
  idleTimeoutSeconds: number;
  network: string;
  resources: { memoryBytes: number; cpus: number; processes: number };
}
export interface Session {
  id: string;
  name: string;
  template: string;
  templateDisplayName: string;
  icon: string;
  owner: { id: string; username: string };
  desiredState: 'running' | 'hibernated' | 'stopped';
  state: SessionStateName;
  step?: string;
  reason?: string;
  createdAt: string;
  stateChangedAt: string;
  startedAt?: string;
  lastActiveAt?: string;
  idleTimeoutSeconds: number;
  hibernatesAt?: string;
  viewers: number;
  homeId: string;
}
export interface Home {
  id: string;
  template: string;
  createdAt: string;
  lastUsedAt: string;
  sessionId?: string;
}
export interface AuditRecord {
  id: number;
  at: string;
  actor: { id?: string; name: string };
  action: string;
  subject: string;
  outcome: string;
  remoteAddr: string;
  requestId: string;
  detail: Record<string, unknown>;
}
export interface Page<T> {
  items: T[];
  nextCursor?: string;
}
export interface Connection {
  url: string;
  ticket: string;
  expiresAt: string;
}
