/** The parts of a chart that need no page: samples in their ring, ranges, ticks, numbers in words. */
import { describe, expect, test } from 'vitest';
import { Ring, niceTicks, padded, rangeOf, sampleAt, tickTexts } from '../src/view/chart_parts';
import { said } from '../src/view/drawing';

describe('samples', () => {
  const all = (ring: Ring) => Array.from({ length: ring.length }, (_, k) => ring.values[ring.row(k) * ring.series]);
  const timesOf = (ring: Ring) => Array.from({ length: ring.length }, (_, k) => ring.times[ring.row(k)]);

  test('come back in their order, the last ones when there are too many', () => {
    const ring = new Ring(1, 4);
    expect(ring.latest).toBeNaN();
    for (let t = 0; t < 3; t++) ring.push(t, [10 * t]);
    expect(all(ring)).toEqual([0, 10, 20]);
    for (let t = 3; t < 10; t++) ring.push(t, [10 * t]);
    expect(all(ring)).toEqual([60, 70, 80, 90]);
    expect(timesOf(ring)).toEqual([6, 7, 8, 9]);
    expect([5, 6, 7.5, 9, 12].map((time) => sampleAt(ring, time))).toEqual([0, 0, 1, 3, 3]);
    ring.clear();
    expect(all(ring)).toEqual([]);
  });

  test('a new episode follows the one before', () => {
    const ring = new Ring(1, 8);
    for (const t of [1, 1.5, 2, 0.5, 1]) ring.push(t, [t]);
    expect(timesOf(ring)).toEqual([1, 1.5, 2, 2.5, 3]);
    expect([0, 1, 2, 3, 4].map((k) => ring.starts[ring.row(k)])).toEqual([0, 0, 0, 1, 0]);
    ring.push(0.5, [7]);
    expect(ring.latest).toBe(3.5);
    for (let t = 1; t < 9; t++) ring.push(t, [t]);
    expect([...ring.starts]).toEqual(new Array(8).fill(0)); // gone by, and a row taken again is no start
  });

  test('one time, one sample; what is missing is a gap', () => {
    const ring = new Ring(2, 4);
    ring.push(0, [1, 2]);
    ring.push(0, [3]);
    ring.push(NaN, [9, 9]);
    expect(ring.length).toBe(1);
    expect([...ring.values.slice(0, 2)]).toEqual([3, NaN]);
    ring.push(1, [Infinity, -4]);
    expect(rangeOf(ring, 0, 2, false)).toEqual([-4, 3]);
    expect(rangeOf(ring, 0, 2, true)).toEqual([3, 3]);
    expect(rangeOf(ring, 1, 1, false)).toBeNull();
  });
});

describe('axes', () => {
  test('ticks are round, two or three, and within', () => {
    expect(niceTicks(-1.05, 1.05)).toEqual([-1, 0, 1]);
    expect(niceTicks(0, 1)).toEqual([0, 0.5, 1]);
    expect(niceTicks(0.01, 100, true)).toEqual([0.01, 1, 100]);
    expect(niceTicks(1, 1)).toEqual([]);
    expect(niceTicks(-1, 1, true)).toEqual([]);
    for (let i = 0; i < 2000; i++) {
      const low = 10 ** (i % 7) * Math.sin(i);
      const high = low + 10 ** ((i % 11) - 5) * (1.001 + Math.cos(3 * i));
      for (const log of [false, true]) {
        // A chart pads its range, so that it is never as narrow as this beside its numbers.
        if ((log && low <= 0) || high - low < 1e-6 * Math.abs(low)) continue;
        const ticks = niceTicks(low, high, log);
        expect([2, 3]).toContain(ticks.length);
        const slack = 1e-6 * (high - low) + 1e-9 * Math.abs(high);
        ticks.forEach((tick, k) => {
          expect(tick).toBeGreaterThanOrEqual(low - slack);
          expect(tick).toBeLessThanOrEqual(high + slack);
          if (k) expect(tick).toBeGreaterThan(ticks[k - 1]);
        });
      }
    }
  });

  test('texts tell ticks apart', () => {
    expect(tickTexts([-1, 0, 1])).toEqual(['−1', '0', '1']);
    expect(tickTexts([0.98, 0.985, 0.99])).toEqual(['0.980', '0.985', '0.990']);
    expect(tickTexts([20000, 40000])).toEqual(['20k', '40k']);
  });

  test('a range is never empty', () => {
    for (const value of [0, 1, -1e6, 1e-12]) {
      const [low, high] = padded([value, value], false);
      expect(low).toBeLessThan(value);
      expect(high).toBeGreaterThan(value);
    }
    expect(padded([2, 2], true)).toEqual([2 / 1.5, 3]);
  });

  test('numbers in words', () => {
    expect([0.314, -0.314, 12.34, -250.4, 12345, 3e7, 0.0123, 0, -0.001].map((v) => said(v))).toEqual(
      ['0.31', '−0.31', '12.3', '−250', '12k', '3.0e7', '0.012', '0.00', '−0.0010'],
    );
    expect([said(-0.001, 1), said(0.5, 300), said(NaN), said(-Infinity)]).toEqual(['0.00', '1', 'not a number', '−∞']);
  });
});
