/** Before the tests: record what Python says, where that is not there or older than what it was recorded from. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const RECORDED = `${ROOT}web/test/recorded/`;

/** When the newest file in a folder and below was written, ms. */
function newest(folder: string): number {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /\.(py|json|safetensors|xml)$/.test(name));
  return Math.max(0, ...names.map((name) => statSync(`${folder}/${name}`).mtimeMs));
}

export default function record(): void {
  const sources = Math.max(newest(`${ROOT}course_lib`), newest(`${ROOT}assets/policies`));
  const own = `${ROOT}.venv/bin/python`;
  for (const kind of ['policies', 'tasks']) {
    const [script, done] = [`${ROOT}scripts/record_live_${kind}.py`, `${RECORDED}${kind}/index.json`];
    if (existsSync(done) && statSync(done).mtimeMs >= Math.max(sources, statSync(script).mtimeMs)) continue;
    const where = kind === 'policies' ? [`${RECORDED}policies/`] : [];
    execFileSync(existsSync(own) ? own : 'python3', [script, ...where], { cwd: ROOT, stdio: 'inherit' });
  }
}
