/** A microphone that a person has allowed. */
export interface Capture {
  readonly track: MediaStreamTrack;
  /** Is called when the browser takes it away. */
  ended: () => void;
  /** Makes packets of what it hears; false where the browser cannot. */
  pack(): boolean;
  close(): void;
}

/** Enough for a voice, in bits a second. */
const BITRATE = 32_000;

/** Chromium's way to a track's samples. */
interface Processor {
  readonly readable: ReadableStream<AudioData>;
}
declare const MediaStreamTrackProcessor: undefined | (new (init: { track: MediaStreamTrack }) => Processor);

/** Asks for the microphone. `packet` is given packets of Opus from when pack is called. */
export async function capture(packet: (bytes: Uint8Array) => void): Promise<Capture> {
  const media = await navigator.mediaDevices.getUserMedia({
    audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  });
  const [track] = media.getAudioTracks();
  if (!track) throw new Error('no track');
  const capture: Capture & { packing: AbortController | null } = {
    track,
    packing: null,
    ended: () => undefined,
    pack() {
      if (this.packing) return true;
      if (typeof MediaStreamTrackProcessor === 'undefined' || typeof AudioEncoder === 'undefined')
        return false;
      this.packing = new AbortController();
      void encode(new MediaStreamTrackProcessor({ track }).readable, packet, this.packing.signal);
      return true;
    },
    close() {
      this.packing?.abort();
      track.stop();
    },
  };
  track.addEventListener('ended', () => capture.ended());
  return capture;
}

/** Codes what comes until it ends or the signal comes. */
async function encode(
  samples: ReadableStream<AudioData>,
  packet: (bytes: Uint8Array) => void,
  signal: AbortSignal,
): Promise<void> {
  const encoder = new AudioEncoder({
    output: (chunk) => {
      const bytes = new Uint8Array(chunk.byteLength);
      chunk.copyTo(bytes);
      packet(bytes);
    },
    error: () => undefined,
  });
  const reader = samples.getReader();
  signal.addEventListener('abort', () => void reader.cancel());
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (encoder.state === 'unconfigured') {
        const { sampleRate, numberOfChannels } = value;
        encoder.configure({ codec: 'opus', sampleRate, numberOfChannels, bitrate: BITRATE });
      }
      if (encoder.state === 'configured') encoder.encode(value);
      value.close();
    }
  } finally {
    if (encoder.state !== 'closed') encoder.close();
  }
}
