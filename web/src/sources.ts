/** Where the player's files come from: beside the page, or from within it (`cl.live` puts all into one frame). */

export interface PolicyEntry {
  key: string;
  file: string;
  title: string;
  task: string;
  options: Record<string, unknown>;
  model: string;
  /** Mean return in Python, and the noise of the sensors that it was measured with; null: none. */
  return: { mean: number; low: number | null; high: number | null; noise?: number | null } | null;
}

export interface Robot {
  key: string;
  title: string;
  about: string;
  policies: PolicyEntry[];
}

export interface Source {
  robot: Robot;
  /** Settings that the page begins with, before those of its address. */
  start: Record<string, unknown>;
  /** "": the page's own address is the reader's to keep. In a frame: that of the same page on the site; null: none. */
  page: string | null;
  text(path: string): Promise<string>;
  bytes(path: string): Promise<Uint8Array>;
  wasm(): Promise<Uint8Array | URL>;
  /** Address of a recorded video of the robot; null where there is none. */
  video: string | null;
}

interface Inline {
  robot: Robot;
  models: Record<string, string>;
  policies: Record<string, string>; // base64
  wasm: string | null; // base64 of the gzipped file
  cdn: string;
  page?: string | null;
  start?: Record<string, unknown>;
}

const CDN = 'https://cdn.jsdelivr.net/npm/@mujoco/mujoco@3.14.0/mujoco.wasm';

/** What `host` says: its robot is in the catalogue beside the page, or everything is in the page. */
export async function sourceOf(host: HTMLElement): Promise<Source> {
  const inline = document.getElementById('live-data');
  if (inline) return inlineSource(JSON.parse(inline.textContent!));
  const key = host.dataset.robot ?? '';
  const catalog = JSON.parse(await fetched('catalog.json').then((r) => r.text()));
  const robots: Robot[] = catalog.robots;
  const robot = robots.find((r) => r.key === key);
  if (!robot) throw new Error(`The page asks for the robot ${JSON.stringify(key)}; there are: ${robots.map((r) => r.key).join(', ')}.`);
  const bytes = async (path: string) => new Uint8Array(await (await fetched(path)).arrayBuffer());
  return {
    robot,
    start: {},
    page: '',
    text: async (path) => (await fetched(path)).text(),
    bytes,
    wasm: async () => {
      try {
        return await unpacked(await bytes('mujoco.wasm.gz'));
      } catch (error) {
        const { message } = error as Error;
        if (!message.endsWith('answers 404.')) throw new Error(`The physics engine could not be loaded: ${message}`);
        return new URL(CDN); // a build without it
      }
    },
    video: `videos/${key}.mp4`,
  };
}

function inlineSource(data: Inline): Source {
  const take = <T>(table: Record<string, T>, path: string): T => {
    if (!Object.hasOwn(table, path)) throw new Error(`${path} is not in this page; there are: ${Object.keys(table).join(', ')}.`);
    return table[path];
  };
  return {
    robot: data.robot,
    start: data.start ?? {},
    page: data.page ?? null,
    text: async (path) => take(data.models, path),
    bytes: async (path) => decoded(take(data.policies, path)),
    wasm: async () => (data.wasm ? unpacked(decoded(data.wasm)) : new URL(data.cdn)),
    video: null,
  };
}

async function fetched(path: string): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path);
  } catch {
    const cure = location.protocol === 'file:' ? 'open the page through a server, as make live does' : 'is the network there?';
    throw new Error(`${path} could not be fetched; ${cure}`);
  }
  if (!response.ok) throw new Error(`${path} could not be fetched: the server answers ${response.status}.`);
  return response;
}

export function decoded(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
}

/** Gzipped bytes -> what they were. Some servers unpack on their own: then the bytes are what they were already. */
export async function unpacked(bytes: Uint8Array): Promise<Uint8Array> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes as BlobPart]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
