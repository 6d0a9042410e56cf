/**
 * Whole episodes of every policy in a built player, in Node: node closed_loop.js DIST EPISODES -> JSON, key -> returns.
 *
 * The physics, tasks and policies are the page's own; nothing is drawn. benchmarks/live.py compares with Python.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Physics, loadEngine } from '../src/physics';
import { Player } from '../src/player';
import { loadPolicy } from '../src/policy';
import type { Robot } from '../src/sources';
import { makeTask } from '../src/tasks/index';

const [dist, count] = process.argv.slice(2);
const read = (path: string) => readFileSync(join(dist, path));
const engine = await loadEngine(new Uint8Array(gunzipSync(read('mujoco.wasm.gz'))));
const robots: Robot[] = JSON.parse(read('catalog.json').toString()).robots;
const found: Record<string, { returns: number[]; success: (boolean | null)[] }> = {};
for (const entry of robots.flatMap((robot) => robot.policies)) {
  const policy = await loadPolicy(entry.key, read(entry.file));
  const player = new Player(new Physics(engine, read(entry.model).toString()), makeTask(entry.task, entry.options), policy, 1);
  const endings = Array.from({ length: Number(count) }, () => {
    while (!player.over) player.tick();
    const { over } = player;
    player.begin();
    return over;
  });
  found[entry.key] = { returns: endings.map((e) => e.total), success: endings.map((e) => e.success) };
  player.physics.free();
}
console.log(JSON.stringify(found));
