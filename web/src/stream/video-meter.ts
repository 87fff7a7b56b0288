/** How the video of a WebRTC connection does, over the last second. What is not known is null. */
export interface VideoFigures {
  readonly codec: string | null;
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
  /** Bits a second of video. */
  readonly bitrate: number;
  /** Packets that did not come at first, of a hundred. */
  readonly loss: number | null;
  /** To the gateway and back, in milliseconds. */
  readonly roundTripMs: number | null;
  /** How long a frame waits for its packets and its turn, and then is decoded, in milliseconds. */
  readonly jitterBufferMs: number | null;
  readonly decodeMs: number | null;
  /** By which way: UDP, TCP, or through a relay (TURN). */
  readonly way: string | null;
  /** Bytes so far. */
  readonly bytes: number;
}

type Entry = Record<string, unknown>;

/** Makes figures of a browser's counters: each call tells of the time since the one before. */
export class VideoMeter {
  #before: Entry | null = null;
  #at = 0;

  read(report: Iterable<[string, unknown]>, now: number): VideoFigures | null {
    const entries = new Map<string, Entry>();
    for (const [id, entry] of report) entries.set(id, entry as Entry);
    const all = [...entries.values()];
    const video = all.find((entry) => entry.type === 'inbound-rtp' && entry.kind === 'video');
    if (!video) return null;
    const seconds = Math.max((now - this.#at) / 1000, 0.001);
    const before = this.#before;
    this.#before = video;
    this.#at = now;
    const since = (name: string) => number(video, name) - (before ? number(before, name) : 0);
    const each = (total: string, count: string) =>
      since(count) > 0 ? (since(total) / since(count)) * 1000 : null;
    const pair = pairOf(all, entries);
    const codec = entries.get(text(video, 'codecId') ?? '');
    const [lost, received] = [Math.max(since('packetsLost'), 0), since('packetsReceived')];
    // What was sent again in time is not lost in the end, but it was on the line.
    const again = since('retransmittedPacketsReceived');
    return {
      codec: codec ? codecName(codec) : null,
      width: number(video, 'frameWidth'),
      height: number(video, 'frameHeight'),
      framesPerSecond: before ? Math.round(since('framesDecoded') / seconds) : 0,
      bitrate: before ? Math.round((since('bytesReceived') * 8) / seconds) : 0,
      loss: received + lost > 0 ? ((lost + again) / (received + lost)) * 100 : null,
      roundTripMs: pair ? seconds2ms(pair.currentRoundTripTime) : null,
      jitterBufferMs: each('jitterBufferDelay', 'jitterBufferEmittedCount'),
      decodeMs: each('totalDecodeTime', 'framesDecoded'),
      way: pair ? wayOf(pair, entries) : null,
      bytes: number(video, 'bytesReceived'),
    };
  }
}

/** The pair of addresses that is in use. */
function pairOf(all: readonly Entry[], entries: ReadonlyMap<string, Entry>): Entry | undefined {
  const transport = all.find((entry) => entry.type === 'transport');
  const chosen = entries.get(text(transport ?? {}, 'selectedCandidatePairId') ?? '');
  return chosen ?? all.find((entry) => entry.type === 'candidate-pair' && entry.nominated === true);
}

function wayOf(pair: Entry, entries: ReadonlyMap<string, Entry>): string | null {
  const local = entries.get(text(pair, 'localCandidateId') ?? '');
  if (!local) return null;
  const remote = entries.get(text(pair, 'remoteCandidateId') ?? '');
  const protocol = (text(local, 'relayProtocol') ?? text(local, 'protocol') ?? '').toUpperCase();
  return local.candidateType === 'relay' || remote?.candidateType === 'relay'
    ? `relay (${protocol})`
    : protocol;
}

/** "VP9", with 4:4:4 where the colour of every pixel is kept. */
function codecName(codec: Entry): string {
  const name = (text(codec, 'mimeType') ?? '').replace('video/', '');
  const full = /(^|;)\s*(profile-id|profile)=1\b/.test(text(codec, 'sdpFmtpLine') ?? '');
  return full ? `${name} 4:4:4` : name;
}

function number(entry: Entry, name: string): number {
  const value = entry[name];
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

function text(entry: Entry, name: string): string | null {
  const value = entry[name];
  return typeof value === 'string' && value !== '' ? value : null;
}

function seconds2ms(value: unknown): number | null {
  return typeof value === 'number' ? value * 1000 : null;
}
