/** Plays what the desktop plays. */
export interface Player {
  /** Takes a packet of Opus in base64, to be heard at a sample of the desktop's clock. */
  take(at: number, data: string): void;
  /** From 0 to 1. */
  setVolume(volume: number): void;
  close(): void;
}

/** Plays a track of WebRTC. */
export class TrackPlayer implements Player {
  readonly #audio = new Audio();

  /** Null where there is no track. */
  static open(media: MediaStream | null): TrackPlayer | null {
    return media && new TrackPlayer(media);
  }

  private constructor(media: MediaStream) {
    this.#audio.srcObject = media;
    this.#audio.dataset.sound = '';
    this.#audio.hidden = true;
    document.body.append(this.#audio);
    void this.#audio.play().catch(() => undefined); // the person turns it on again
  }

  take(): void {
    // WebRTC brings its packets itself.
  }

  setVolume(volume: number): void {
    this.#audio.volume = volume;
  }

  close(): void {
    this.#audio.pause();
    this.#audio.srcObject = null;
    this.#audio.remove();
  }
}

/** Samples a second: Opus' and the gateway's. */
const RATE = 48_000;

/** How long a packet waits before it is heard, in seconds, so that one that is late is not missed. */
const LEAD = 0.06;

/** More than this waiting, in seconds, is delay that nobody wants: what is over is left out. */
const MOST = 0.25;

/** Decodes packets by WebCodecs, and plays each at its time. */
export class PacketPlayer implements Player {
  readonly #context = new AudioContext({ sampleRate: RATE, latencyHint: 'interactive' });
  readonly #gain = this.#context.createGain();
  readonly #decoder: AudioDecoder;
  #offset: number | null = null; // of the context's clock to the desktop's, in seconds

  /** Null where the browser has no WebCodecs: old ones, and pages without https. */
  static open(): PacketPlayer | null {
    if (typeof AudioDecoder === 'undefined' || typeof AudioContext === 'undefined') return null;
    return new PacketPlayer();
  }

  private constructor() {
    this.#gain.connect(this.#context.destination);
    this.#decoder = new AudioDecoder({ output: (sound) => this.#play(sound), error: () => undefined });
    this.#decoder.configure({ codec: 'opus', sampleRate: RATE, numberOfChannels: 2 });
    void this.#context.resume();
  }

  take(at: number, data: string): void {
    if (this.#decoder.state !== 'configured') return;
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const timestamp = Math.round((at / RATE) * 1e6); // microseconds
    this.#decoder.decode(new EncodedAudioChunk({ type: 'key', timestamp, data: bytes }));
  }

  setVolume(volume: number): void {
    this.#gain.gain.value = volume;
  }

  close(): void {
    if (this.#decoder.state !== 'closed') this.#decoder.close();
    void this.#context.close();
  }

  #play(sound: AudioData): void {
    const buffer = this.#context.createBuffer(sound.numberOfChannels, sound.numberOfFrames, sound.sampleRate);
    for (let channel = 0; channel < sound.numberOfChannels; channel++) {
      const samples = new Float32Array(sound.numberOfFrames);
      sound.copyTo(samples, { planeIndex: channel, format: 'f32-planar' });
      buffer.copyToChannel(samples, channel);
    }
    const at = sound.timestamp / 1e6;
    sound.close();
    const now = this.#context.currentTime;
    let start = at + (this.#offset ?? 0);
    if (this.#offset === null || start < now || start > now + MOST) {
      // The first, or the clocks have drifted apart, or the line has held some back.
      this.#offset = now + LEAD - at;
      start = now + LEAD;
    }
    const source = new AudioBufferSourceNode(this.#context, { buffer });
    source.connect(this.#gain);
    source.start(start);
  }
}
