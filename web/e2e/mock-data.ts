/** Answers for looking at the pages without a server: `npm run shots`. Nothing of this reaches the product. */
const now = Date.parse('2026-11-23T10:00:00Z');
const at = (minutes: number) => new Date(now + minutes * 60_000).toISOString();

export const NOW = now;

export const ada = {
  id: 'usr_01jd4z6wq3v7k2m9n8p5r4t6ya',
  username: 'ada',
  displayName: 'Ada Lovelace',
  role: 'admin',
  disabled: false,
  createdAt: at(-60 * 24 * 40),
  lastLoginAt: at(-12),
};

const template = (
  name: string,
  displayName: string,
  category: string,
  icon: string,
  description: string,
  more = {},
) => ({
  name,
  displayName,
  description,
  category,
  icon,
  tags: [],
  installed: true,
  missing: [],
  idleTimeoutSeconds: 1800,
  network: 'internet',
  resources: { memoryBytes: 2 ** 31, cpus: 2, processes: 512 },
  ...more,
});

const missing = (program: string) => ({
  installed: false,
  missing: [program],
  installCommand: `sudo apt-get install -y ${program}`,
});

export const templates = [
  template(
    'terminal',
    'Terminal',
    'System',
    'terminal',
    'A shell in an xterm, with its own home folder that stays.',
  ),
  template(
    'files',
    'File manager',
    'System',
    'folder',
    'PCManFM: look through, copy and sort the files of your home.',
  ),
  template(
    'editor',
    'Text editor',
    'Office',
    'edit_note',
    'Mousepad, a small and quick editor for plain text.',
    { network: 'none' },
  ),
  template(
    'browser',
    'Web browser',
    'Internet',
    'public',
    'Chromium in a sandbox: pages cannot touch your own computer.',
  ),
  template(
    'gimp',
    'Image editor',
    'Graphics',
    'brush',
    'GIMP: retouch photographs, draw, convert between formats.',
    missing('gimp'),
  ),
  template(
    'inkscape',
    'Vector graphics',
    'Graphics',
    'draw',
    'Inkscape draws logos and diagrams as SVG.',
    missing('inkscape'),
  ),
  template(
    'office',
    'Office',
    'Office',
    'description',
    'LibreOffice with Writer, Calc and Impress.',
    missing('libreoffice'),
  ),
  template(
    'code',
    'Code editor',
    'Development',
    'code',
    'Geany: an editor with builds, projects and symbols.',
  ),
  template(
    'plots',
    'Gnuplot',
    'Science',
    'show_chart',
    'Plots functions and data, on screen or into files.',
    missing('gnuplot-x11'),
  ),
  template(
    'calculator',
    'Calculator',
    'Office',
    'calculate',
    'Galculator with paper, scientific and basic modes.',
    { network: 'none' },
  ),
];

export const session = (id: string, name: string, t: number, state: string, more = {}) => ({
  id: `ses_${id.padEnd(26, '0')}`,
  name,
  template: templates[t]?.name,
  templateDisplayName: templates[t]?.displayName,
  icon: templates[t]?.icon,
  owner: { id: ada.id, username: 'ada' },
  desiredState: 'running',
  state,
  createdAt: at(-90),
  stateChangedAt: at(-47),
  startedAt: at(-47),
  lastActiveAt: at(-9),
  idleTimeoutSeconds: 1800,
  viewers: 0,
  homeId: 'hom_01jd4z6wq3v7k2m9n8p5r4t6ya',
  ...more,
});

export const sessions = [
  session('01a', 'Terminal', 0, 'running', { viewers: 1, hibernatesAt: at(21) }),
  session('01b', 'Thesis, chapter 3', 2, 'starting', { step: 'Starting the window manager' }),
  session('01c', 'Research', 3, 'hibernated', { stateChangedAt: at(-60 * 26) }),
  session('01d', 'Build of the old branch', 7, 'failed', {
    reason: 'Geany ended three times within a minute; its last words were “cannot open display”.',
  }),
];

const others = { owner: { id: 'usr_grace', username: 'grace' } };
export const allSessions = [
  ...sessions,
  session('02a', 'Notes', 2, 'running', { ...others, lastActiveAt: at(-2) }),
  session('02b', 'Files', 1, 'stopping', others),
];

export const users = [
  ada,
  {
    ...ada,
    id: 'usr_grace',
    username: 'grace',
    displayName: 'Grace Hopper',
    role: 'user',
    lastLoginAt: at(-60 * 5),
  },
  {
    ...ada,
    id: 'usr_linus',
    username: 'linus',
    displayName: '',
    role: 'user',
    disabled: true,
    lastLoginAt: undefined,
  },
];

export const logins = [
  {
    id: 'lgn_1',
    current: true,
    createdAt: at(-300),
    lastSeenAt: at(0),
    expiresAt: at(9999),
    userAgent: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0 Safari/537.36',
    remoteAddr: '192.0.2.17',
  },
  {
    id: 'lgn_2',
    current: false,
    createdAt: at(-3000),
    lastSeenAt: at(-1400),
    expiresAt: at(9999),
    userAgent:
      'Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605 Version/19.0 Safari/604.1',
    remoteAddr: '198.51.100.4',
  },
];

export const apiKeys = [
  {
    id: 'key_1',
    name: 'nightly build',
    hint: 'ssk_Ab…xyz9',
    createdAt: at(-9000),
    expiresAt: at(60 * 24 * 40),
    lastUsedAt: at(-500),
  },
];

export const homes = [
  { id: 'hom_1', template: 'terminal', createdAt: at(-9000), lastUsedAt: at(-9), sessionId: 'ses_1' },
  { id: 'hom_2', template: 'browser', createdAt: at(-9000), lastUsedAt: at(-3000) },
];

export const audit = [
  ['session.create', 'ses_01jd4z6wq3v7k2m9n8p5r4t6ya', 'ok', { template: 'terminal' }],
  ['login.create', 'ada', 'ok', {}],
  ['login.create', 'root', 'denied', { reason: 'wrong password' }],
  ['user.create', 'usr_grace', 'ok', { username: 'grace', role: 'user' }],
  ['session.connect', 'ses_02a', 'ok', { permissions: ['view'] }],
].map(([action, subject, outcome, detail], i) => ({
  id: 90 - i,
  at: at(-i * 7),
  actor: outcome === 'denied' ? { name: '' } : { id: ada.id, name: 'ada' },
  action,
  subject,
  outcome,
  remoteAddr: '192.0.2.17',
  requestId: `req_${1000 + i}`,
  detail,
}));
