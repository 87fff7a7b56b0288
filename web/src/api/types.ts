import type { components } from './schema';

// The names that the pages use for what the API's document defines.
type Schemas = components['schemas'];

export type ApiKey = Schemas['APIKey'];
export type AuditRecord = Schemas['AuditEntry'];
export type Home = Schemas['Home'];
export type LiveEvent = Schemas['Event'];
export type Joined = Schemas['Joined'];
export type Login = Schemas['Login'];
export type NewShare = Schemas['NewShare'];
export type NewUser = Schemas['CreateUserRequest'];
export type Role = Schemas['Role'];
export type Session = Schemas['Session'];
export type SessionChange = Schemas['UpdateSessionRequest'];
export type SessionPage = Schemas['SessionList'];
export type Share = Schemas['Share'];
export type ShareWish = Schemas['CreateShareRequest'];
export type Template = Schemas['Template'];
export type User = Schemas['User'];
export type UserChange = Schemas['UpdateUserRequest'];
