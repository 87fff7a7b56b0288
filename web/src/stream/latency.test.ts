import { describe, expect, it } from 'vitest';
import { LatencyMeter, qualityOf } from './latency';

describe('LatencyMeter', () => {
  it('is the median of the last five round trips', () => {
    const meter = new LatencyMeter();
    for (const trip of [900, 10, 30, 20, 500, 40]) {
      const mark = meter.mark(1000) ?? '';
      expect(meter.echo(mark, 1000 + trip)).toBe(true);
    }
    expect(meter.value(9999)).toBe(30);
  });

  it('has one mark under way and ignores echoes of others', () => {
    const meter = new LatencyMeter();
    const mark = meter.mark(0) ?? '';
    expect(meter.mark(10)).toBeNull();
    expect(meter.echo('lat999', 20)).toBe(false);
    expect(meter.value(20)).toBeNull();
    expect(meter.echo(mark, 25)).toBe(true);
    expect(meter.value(25)).toBe(25);
    expect(meter.echo(mark, 30)).toBe(false);
  });

  it('says how late a mark is before it has come', () => {
    const meter = new LatencyMeter();
    meter.echo(meter.mark(0) ?? '', 20);
    meter.mark(1000);
    expect(meter.value(1010)).toBe(20);
    expect(meter.value(4000)).toBe(3000);
  });
});

describe('qualityOf', () => {
  it.each([
    [0, 'excellent'],
    [99, 'excellent'],
    [100, 'good'],
    [299, 'good'],
    [300, 'fair'],
    [499, 'fair'],
    [500, 'poor'],
  ] as const)('%i ms is %s', (milliseconds, quality) => {
    expect(qualityOf(milliseconds)).toBe(quality);
  });
});
