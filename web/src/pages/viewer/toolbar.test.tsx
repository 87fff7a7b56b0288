import { act, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { SessionActions } from '../../sessions/actions';
import { SessionMenu } from '../../sessions/session-card';
import { ClipboardSync } from '../../stream/clipboard';
import { CLOSE_CODES } from '../../stream/closure';
import { StreamSession } from '../../stream/session';
import type { StreamState } from '../../stream/session';
import type { Permission } from '../../stream/ticket';
import { mistakesIn } from '../../testing/axe';
import { renderPage } from '../../testing/render';
import { aSession } from '../../testing/session';
import { ControlNotice, noticeOf } from './control-notice';
import { Overlay } from './overlay';
import { DEFAULTS } from './settings';
import { Toolbar } from './toolbar';

const actions = {
  busy: false,
  starting: null,
  start: vi.fn(),
  wake: vi.fn(),
  hibernate: vi.fn(),
  stop: vi.fn(),
  rename: vi.fn(),
} satisfies SessionActions;

let stream: StreamSession;

beforeEach(() => {
  stream = new StreamSession(DEFAULTS, null, {
    openTicket: () => new Promise(() => undefined),
    openSocket: () => new EventTarget() as WebSocket,
    openDisplay: () => {
      throw new Error('nothing is opened here');
    },
    random: () => 1,
  });
});

const be = (change: Partial<StreamState>) =>
  act(() => stream.state.set({ ...stream.state.get(), ...change }));
const owner: readonly Permission[] = ['view', 'control', 'clipboard.in', 'clipboard.out'];

function renderToolbar(permissions: readonly Permission[], more: { onTakeControl?: () => void } = {}) {
  be({ phase: 'connected', permissions: new Set(permissions) });
  return renderPage(
    <main>
      <Toolbar
        title="Terminal"
        stream={stream}
        sync={new ClipboardSync(stream)}
        settings={DEFAULTS}
        configure={() => undefined}
        back="/sessions"
        menu={<SessionMenu session={aSession()} actions={actions} />}
        hidden={false}
        onReveal={() => undefined}
        fullscreen={false}
        onFullscreen={() => undefined}
        onTouchKeyboard={() => undefined}
        {...more}
      />
    </main>,
  );
}

describe('the toolbar', () => {
  it('names everything in it', async () => {
    const { container } = renderToolbar(owner);
    for (const name of [
      'Special keys',
      'Clipboard',
      'Display and quality',
      'Full screen',
      'More for Terminal',
    ]) {
      expect(screen.getByRole('button', { name })).toBeInTheDocument();
    }
    expect(await mistakesIn(container)).toEqual([]);
  });

  it.each(['Special keys', 'Clipboard', 'Display and quality'])(
    'has an accessible panel: %s',
    async (name) => {
      renderToolbar(owner);
      await userEvent.click(screen.getByRole('button', { name }));
      const dialog = await screen.findByRole('dialog', { name });
      expect(await mistakesIn(dialog)).toEqual([]);
      await userEvent.keyboard('{Escape}');
      await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
    },
  );

  it('holds a modifier until the next key', async () => {
    const sent: string[] = [];
    vi.spyOn(stream, 'sendKey').mockImplementation(
      (_, code, down) => void sent.push(`${code} ${down ?? 'press'}`),
    );
    renderToolbar(owner);
    await userEvent.click(screen.getByRole('button', { name: 'Special keys' }));
    await userEvent.click(screen.getByRole('button', { name: 'Alt' }));
    expect(screen.getByRole('button', { name: 'Alt' })).toHaveAttribute('aria-pressed', 'true');
    await userEvent.click(screen.getByRole('button', { name: 'F4' }));
    expect(sent).toEqual(['AltLeft true', 'F4 press', 'AltLeft false']);
    expect(screen.getByRole('button', { name: 'Alt' })).toHaveAttribute('aria-pressed', 'false');
  });

  it('says that one can only look, and offers control where it can be had', async () => {
    const onTakeControl = vi.fn();
    renderToolbar(['view'], { onTakeControl });
    expect(screen.getByText('View only')).toBeInTheDocument();
    expect(screen.queryByRole('button', { name: 'Special keys' })).toBeNull();
    await userEvent.click(screen.getByRole('button', { name: 'Take control of mouse and keyboard' }));
    expect(onTakeControl).toHaveBeenCalledOnce();
  });

  it.each([
    [24, 'Connection: Excellent, 24 ms'],
    [180, 'Connection: Good, 180 ms'],
    [420, 'Connection: Fair, 420 ms'],
    [900, 'Connection: Poor, 900 ms'],
  ])('tells %i ms as quality', (latency, name) => {
    renderToolbar(owner);
    act(() => stream.stats.set({ latency, bytesPerSecond: 10, video: null }));
    expect(screen.getByRole('button', { name })).toBeInTheDocument();
  });
});

describe('the overlay', () => {
  const renderOverlay = (session = aSession()) =>
    renderPage(<Overlay session={session} stream={stream} actions={actions} />);

  it('shows progress while the desktop comes up', async () => {
    be({ phase: 'opening' });
    const { container } = renderOverlay(aSession({ state: 'starting', step: 'Starting the window manager' }));
    expect(screen.getByRole('heading')).toHaveTextContent('Starting Terminal');
    expect(screen.getByText('Starting the window manager')).toBeInTheDocument();
    expect(await mistakesIn(container)).toEqual([]);
  });

  it('counts down to the next attempt, and does not wait when told so', async () => {
    const reconnect = vi.spyOn(stream, 'reconnect').mockImplementation(() => undefined);
    be({ phase: 'waiting', attempt: 3, retryAt: Date.now() + 3_500, closure: CLOSE_CODES[1012] ?? null });
    renderOverlay();
    expect(screen.getByRole('heading')).toHaveTextContent('StreamSpace is restarting');
    expect(screen.getByText(/Trying again in \d s \(attempt 3\)/)).toBeInTheDocument();
    await userEvent.click(screen.getByRole('button', { name: 'Try now' }));
    expect(reconnect).toHaveBeenCalledOnce();
  });

  it('explains why it ended and what to do', async () => {
    const reconnect = vi.spyOn(stream, 'reconnect').mockImplementation(() => undefined);
    be({ phase: 'ended', closure: CLOSE_CODES[4003] ?? null });
    renderOverlay(aSession({ state: 'hibernated' }));
    expect(screen.getByRole('heading')).toHaveTextContent('This session is asleep');
    await userEvent.click(screen.getByRole('button', { name: 'Wake it up' }));
    expect(reconnect).toHaveBeenCalledOnce();
  });

  it('lets a failed desktop be started again', async () => {
    const failed = aSession({ state: 'failed', reason: 'xterm ended three times' });
    renderOverlay(failed);
    expect(screen.getByText('xterm ended three times')).toBeInTheDocument();
    await userEvent.click(screen.getByRole('button', { name: 'Start again' }));
    expect(actions.wake).toHaveBeenCalledWith(failed);
  });

  it('goes away with the picture', () => {
    be({ phase: 'connected' });
    renderOverlay();
    expect(screen.queryByRole('heading')).toBeNull();
  });
});

describe('with others there', () => {
  const tell = (message: unknown) => act(() => stream.room.receive(JSON.stringify(message)));
  const person = (viewer: string, name: string, permissions: readonly string[] = ['view', 'control']) => ({
    viewer,
    name,
    you: viewer === 'vwr_1',
    permissions,
    since: '2026-11-23T10:00:00Z',
    guest: viewer !== 'vwr_1',
  });

  function meet(holder: string | null, requests: readonly string[] = []) {
    tell({ type: 'welcome', viewer: 'vwr_1' });
    tell({ type: 'viewers', items: [person('vwr_1', 'Ada'), person('vwr_2', 'Grace')], total: 2 });
    tell({ type: 'control', holder, requests: requests.map((viewer) => ({ viewer })), idle: false });
  }

  it('shows who is there, and gives control', async () => {
    const user = userEvent.setup();
    const { container } = renderToolbar(owner);
    expect(screen.queryByRole('button', { name: /People/ })).not.toBeInTheDocument();
    const give = vi.spyOn(stream.room, 'give');
    meet('vwr_1');
    await user.click(screen.getByRole('button', { name: 'People: 2 are here' }));
    expect(screen.getByText('Ada (you)')).toBeInTheDocument();
    expect(await mistakesIn(container)).toEqual([]);
    await user.click(screen.getByRole('button', { name: 'Give control to Grace' }));
    expect(give).toHaveBeenCalledWith('vwr_2');
  });

  it('has no special keys for who has no control', () => {
    renderToolbar(owner);
    meet('vwr_2');
    expect(screen.queryByRole('button', { name: 'Special keys' })).not.toBeInTheDocument();
  });

  it('says who asks, and lets the holder answer', async () => {
    const user = userEvent.setup();
    be({ phase: 'connected', permissions: new Set(owner) });
    const { container } = renderPage(
      <main>
        <ControlNotice stream={stream} />
      </main>,
    );
    const deny = vi.spyOn(stream.room, 'deny');
    expect(screen.queryByTestId('control-notice')).not.toBeInTheDocument();
    meet('vwr_1', ['vwr_2']);
    expect(screen.getByTestId('control-notice')).toHaveTextContent('Grace asks for control');
    expect(screen.getByRole('status')).toHaveTextContent('Grace asks for control');
    expect(await mistakesIn(container)).toEqual([]);
    await user.click(screen.getByRole('button', { name: 'Not now' }));
    expect(deny).toHaveBeenCalledWith('vwr_2');
    meet('vwr_2');
    expect(screen.getByTestId('control-notice')).toHaveTextContent('Grace has control');
    tell({ type: 'refused', request: 'control.request', code: 'denied', detail: 'Grace wants to go on.' });
    expect(screen.getByTestId('control-notice')).toHaveTextContent('Grace wants to go on.');
  });

  it('tells what there is to tell', () => {
    const all = new Set<Permission>(['view', 'control']);
    meet('vwr_2', ['vwr_1']);
    expect(noticeOf(stream.room.state.get(), all)).toEqual({ kind: 'asking', name: 'Grace' });
    meet('vwr_2');
    expect(noticeOf(stream.room.state.get(), all)).toMatchObject({
      kind: 'other',
      mayAsk: true,
      mayTake: false,
    });
    const admin = new Set<Permission>(['view', 'control', 'admin']);
    expect(noticeOf(stream.room.state.get(), admin)).toMatchObject({ mayAsk: false, mayTake: true });
    expect(noticeOf(stream.room.state.get(), new Set<Permission>(['view']))).toBeNull();
    meet(null);
    expect(noticeOf(stream.room.state.get(), all)).toBeNull();
  });
});
