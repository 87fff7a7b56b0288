import { Alert, Box, Divider, Typography } from '@mui/material';
import type { ServerStatus } from '../../stream/room-message';
import type { StreamState, StreamStats } from '../../stream/session';
import type { VideoFigures } from '../../stream/video-meter';

interface Props {
  state: StreamState;
  stats: StreamStats;
  served: ServerStatus | null;
}

/** How the stream does, in figures, and what they mean. */
export function ConnectionFigures({ state, stats, served }: Props) {
  const webrtc = state.transport === 'webrtc';
  const { video } = stats;
  return (
    <>
      <Rows>
        <Figure name="Transport" value={transportName(webrtc, video)} />
        <Figure name="Round trip" value={ms(stats.latency, 0)} />
        {!webrtc && served && <Figure name="To the gateway and back" value={ms(served.roundTripMs)} />}
        {webrtc && <Figure name="To the gateway and back" value={ms(video?.roundTripMs ?? null)} />}
        <Figure name="Receiving" value={`${bytes(stats.bytesPerSecond)}/s`} />
      </Rows>
      {state.transportNote !== '' && (
        <Alert severity="info" role="note" sx={{ py: 0, alignItems: 'center' }}>
          Not by WebRTC: {state.transportNote} The stream goes on by WebSocket.
        </Alert>
      )}
      <Divider />
      {webrtc ? <Video video={video} served={served} /> : served && <Served status={served} />}
      <Typography variant="caption" color="textSecondary">
        {webrtc ? ABOUT_WEBRTC : ABOUT_WEBSOCKET}
      </Typography>
    </>
  );
}

const ABOUT_WEBSOCKET =
  'The round trip is what a click waits for: a mark goes through the stream to the desktop and back every two ' +
  'seconds, behind all picture data, and is painted here. Below 100 ms is excellent, below 300 good, below 500 fair.';
const ABOUT_WEBRTC =
  'The round trip is that of keys and clicks, which travel beside the video. The age of a frame adds up all that ' +
  'happens to it from the desktop’s drawing to your screen.';

function transportName(webrtc: boolean, video: VideoFigures | null): string {
  if (!webrtc) return 'WebSocket';
  return video?.way ? `WebRTC, ${video.way}` : 'WebRTC';
}

/** Video: what the gateway does, the way, and what this browser does. */
function Video({ video, served }: { video: VideoFigures | null; served: ServerStatus | null }) {
  return (
    <Rows>
      <Figure name="Video" value={video?.codec ?? 'not known'} />
      <Figure name="Size" value={video?.width ? `${video.width} × ${video.height}` : 'not known'} />
      <Figure name="Frames" value={video ? `${video.framesPerSecond} a second` : 'none'} />
      <Figure
        name="Bit rate"
        value={`${bits(video?.bitrate ?? 0)}${served?.bitrate ? ` of ${bits(served.bitrate)}` : ''}`}
      />
      <Figure name="Lost on the way" value={video?.loss == null ? 'none' : `${video.loss.toFixed(1)} %`} />
      <Figure name="Age of a frame when shown" value={ms(frameAge(video, served))} />
      <Figure name="Waiting to be coded" value={ms(served?.queueMs ?? null)} inner />
      <Figure name="Coding" value={ms(served?.encodeMs ?? null)} inner />
      <Figure name="Waiting here for the rest" value={ms(video?.jitterBufferMs ?? null)} inner />
      <Figure name="Decoding" value={ms(video?.decodeMs ?? null)} inner />
    </Rows>
  );
}

/** From the desktop's drawing to the screen; null while a part of it is not known. */
function frameAge(video: VideoFigures | null, served: ServerStatus | null): number | null {
  const parts = [served?.encodeMs, video?.jitterBufferMs, video?.decodeMs];
  if (!video || video.roundTripMs === null || parts.some((part) => part == null)) return null;
  return parts.reduce<number>(
    (sum, part) => sum + (part ?? 0),
    video.roundTripMs / 2 + (served?.queueMs ?? 0),
  );
}

/** What the gateway knows of the stream. */
function Served({ status }: { status: ServerStatus }) {
  return (
    <Rows>
      <Figure name="Age of a frame on arrival" value={ms(status.frameAgeMs)} />
      <Figure name="From your input to its frame" value={ms(status.clickToPixelMs)} />
      <Figure
        name="Frames"
        value={status.framesPerSecond === null ? 'none' : `${status.framesPerSecond} a second`}
      />
      {status.mode === 'hub' && (
        <>
          <Figure name="Shared, in quality" value={status.quality ?? 'not known'} />
          <Figure name="Frames replaced by newer ones" value={String(status.dropped)} />
        </>
      )}
    </Rows>
  );
}

function Rows({ children }: { children: React.ReactNode }) {
  return (
    <Box component="dl" sx={{ m: 0, display: 'grid', gap: 0.75 }}>
      {children}
    </Box>
  );
}

function Figure({ name, value, inner = false }: { name: string; value: string; inner?: boolean }) {
  return (
    <Box sx={{ display: 'flex', justifyContent: 'space-between', gap: 2, pl: inner ? 2 : 0 }}>
      <Typography component="dt" variant="body2" color="textSecondary">
        {name}
      </Typography>
      <Typography
        component="dd"
        variant="body2"
        sx={{ m: 0, fontWeight: inner ? 450 : 650, fontVariantNumeric: 'tabular-nums', textAlign: 'right' }}
      >
        {value}
      </Typography>
    </Box>
  );
}

function ms(value: number | null, digits = 1): string {
  if (value === null) return 'not measured';
  return `${value < 10 && digits > 0 ? value.toFixed(digits) : Math.max(1, Math.round(value))} ms`;
}

function bytes(count: number): string {
  if (count < 1_000) return `${count} B`;
  if (count < 1_000_000) return `${(count / 1_000).toFixed(0)} kB`;
  return `${(count / 1_000_000).toFixed(1)} MB`;
}

function bits(count: number): string {
  if (count < 1_000_000) return `${Math.round(count / 1_000)} kbit/s`;
  return `${(count / 1_000_000).toFixed(1)} Mbit/s`;
}
