import { describe, expect, it } from 'vitest';
import { VideoMeter } from './video-meter';

function report(video: Record<string, unknown>, local: Record<string, unknown> = {}) {
  return new Map<string, unknown>(
    Object.entries({
      v: { type: 'inbound-rtp', kind: 'video', codecId: 'c', frameWidth: 1280, frameHeight: 800, ...video },
      a: { type: 'inbound-rtp', kind: 'audio', bytesReceived: 1e9 },
      c: { mimeType: 'video/VP9', sdpFmtpLine: 'profile-id=1' },
      t: { type: 'transport', selectedCandidatePairId: 'p' },
      p: {
        type: 'candidate-pair',
        currentRoundTripTime: 0.025,
        localCandidateId: 'l',
        remoteCandidateId: 'r',
      },
      l: { candidateType: 'host', protocol: 'udp', ...local },
      r: { candidateType: 'host', protocol: 'udp' },
    }),
  );
}

describe('figures of video', () => {
  it('tell of the time since the last look', () => {
    const meter = new VideoMeter();
    meter.read(report({ framesDecoded: 10, bytesReceived: 5_000, packetsReceived: 10 }), 1_000);
    const figures = meter.read(
      report({
        framesDecoded: 40,
        bytesReceived: 130_000,
        packetsReceived: 105,
        packetsLost: 3,
        retransmittedPacketsReceived: 2,
        jitterBufferDelay: 0.6,
        jitterBufferEmittedCount: 30,
        totalDecodeTime: 0.15,
      }),
      2_000,
    );
    expect(figures).toMatchObject({
      codec: 'VP9 4:4:4',
      width: 1280,
      height: 800,
      framesPerSecond: 30,
      bitrate: 1_000_000,
      roundTripMs: 25,
      jitterBufferMs: 20,
      decodeMs: 5,
      way: 'UDP',
      bytes: 130_000,
    });
    expect(figures?.loss).toBeCloseTo(5.1, 1);
  });

  it('leave out what a resting desktop does not tell', () => {
    const meter = new VideoMeter();
    meter.read(report({ framesDecoded: 10 }), 0);
    expect(meter.read(report({ framesDecoded: 10 }), 1_000)).toMatchObject({
      loss: null,
      jitterBufferMs: null,
      decodeMs: null,
      framesPerSecond: 0,
    });
  });

  it('name a relay, and what leads there', () => {
    const figures = new VideoMeter().read(report({}, { candidateType: 'relay', relayProtocol: 'tls' }), 0);
    expect(figures?.way).toBe('relay (TLS)');
  });

  it('are none without video', () => expect(new VideoMeter().read(new Map(), 0)).toBeNull());
});
