import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { FakeSocket } from '../testing/socket';
import { Channel, PROTOCOLS } from './channel';

function open(protocol: string) {
  const socket = new FakeSocket('ws://gateway');
  const texts: string[] = [];
  const channel = new Channel(socket.asWebSocket(), (text) => texts.push(text));
  const frames: unknown[] = [];
  channel.onmessage = (event) => frames.push(event.data);
  socket.accept(protocol);
  return { socket, channel, texts, frames };
}

it('parts text from pictures', () => {
  const { socket, texts, frames } = open('streamspace.v1');
  const bytes = new ArrayBuffer(3);
  socket.receive(bytes);
  socket.receive('{"type":"welcome"}');
  expect(frames).toEqual([bytes]);
  expect(texts).toEqual(['{"type":"welcome"}']);
});

it('is a plain channel where the gateway knows no room', () => {
  const { socket, channel, texts, frames } = open('binary');
  socket.receive(new ArrayBuffer(1));
  socket.receive('{"type":"welcome"}');
  channel.sendText('{}');
  channel.send(new Uint8Array([7]));
  expect(frames).toHaveLength(1);
  expect(texts).toEqual([]);
  expect(socket.sent).toEqual([new Uint8Array([7])]);
});

it('sends text only while it is open', () => {
  const { socket, channel } = open('streamspace.v1');
  channel.sendText('one');
  socket.drop(1006);
  channel.sendText('two');
  expect(socket.sent).toEqual(['one']);
});

it('passes on opening, errors and closing', () => {
  const socket = new FakeSocket('ws://gateway');
  const channel = new Channel(socket.asWebSocket(), () => undefined);
  const seen: string[] = [];
  channel.onopen = () => seen.push(`open ${channel.protocol} ${channel.readyState}`);
  channel.onerror = () => seen.push('error');
  channel.onclose = (event) => seen.push(`close ${event.code}`);
  socket.accept(PROTOCOLS[0]);
  socket.dispatchEvent(new Event('error'));
  channel.end(new CloseEvent('close', { code: 4001 }));
  expect(seen).toEqual(['open streamspace.v1 1', 'error', 'close 4001']);
  expect(socket.binaryType).toBe('arraybuffer');
});

it('goes on with another socket, and hears the first no more', () => {
  const first = new FakeSocket('ws://gateway');
  const texts: string[] = [];
  const channel = new Channel(first.asWebSocket(), (text) => texts.push(text));
  const seen: unknown[] = [];
  channel.onopen = () => seen.push('open');
  channel.onmessage = (event) => seen.push(event.data);
  first.accept(PROTOCOLS[0]);
  const second = new FakeSocket('ws://another');
  second.accept(PROTOCOLS[0]);
  channel.replace(second.asWebSocket());
  first.receive('late');
  first.receive(new ArrayBuffer(1));
  second.receive('text');
  const bytes = new ArrayBuffer(2);
  second.receive(bytes);
  channel.sendText('to the second');
  expect(seen).toEqual(['open', 'open', bytes]);
  expect(texts).toEqual(['text']);
  expect(second.sent).toEqual(['to the second']);
  expect(first.sent).toEqual([]);
});

it('has what noVNC demands of a raw channel, where noVNC looks for it', () => {
  const { channel } = open('binary');
  const source = readFileSync(
    join(import.meta.dirname, '../../node_modules/@novnc/novnc/core/websock.js'),
    'utf8',
  );
  const list = /const rawChannelProps = \[([^\]]*)\]/.exec(source)?.[1] ?? '';
  const demanded = [...list.matchAll(/"(\w+)"/g)].map(([, name]) => name ?? '');
  expect(demanded.length).toBeGreaterThan(5);
  const here = [
    ...Object.keys(channel),
    ...Object.getOwnPropertyNames(Object.getPrototypeOf(channel) as object),
  ];
  expect(here).toEqual(expect.arrayContaining(demanded));
});
