/**
 * Policy files as the course writes them (course_lib/files.py): raw tensors behind a JSON header, and in it the SHA-256
 * of all that matters. A file is data: nothing in it is run, and one that is damaged is refused whole, in a sentence.
 */

/** What is wrong with a policy file, in one sentence for the reader. */
export class PolicyFileError extends Error {}

export interface Tensor {
  dtype: 'F32' | 'F64';
  shape: number[];
  data: Float32Array | Float64Array;
}

export interface PolicyFile {
  name: string;
  /** What the policy is and where it was trained. */
  header: Record<string, unknown>;
  tensors: Map<string, Tensor>;
  /** Whether the digest was compared. A page that came over plain http has no Web Crypto; then it was not. */
  verified: boolean;
}

export const FORMAT = 'liquid-control policy 1';

/** Bytes of a number, and what torch calls the type: the digest holds the latter. */
const TYPES = { F32: { bytes: 4, torch: 'torch.float32' }, F64: { bytes: 8, torch: 'torch.float64' } };

/** The file under the name `name`, for sentences, as a policy's header and tensors. */
export async function readPolicyFile(name: string, content: ArrayBuffer | Uint8Array): Promise<PolicyFile> {
  const bytes = content instanceof Uint8Array ? content : new Uint8Array(content);
  const { metadata, tensors } = readSafetensors(name, bytes);
  const foreign = new PolicyFileError(`${name} was not written by course_lib: it has no course header.`);
  if (metadata.header === undefined) throw foreign;
  let header: unknown;
  try {
    header = parsePythonJSON(metadata.header);
  } catch {
    throw foreign;
  }
  if (!isRecord(header) || header.format === undefined) throw foreign;
  if (header.format !== FORMAT) {
    throw new PolicyFileError(
      `${name} holds ${JSON.stringify(header.format).slice(0, 100)}; the player reads ${JSON.stringify(FORMAT)}.`,
    );
  }
  return { name, header, tensors, verified: await verify(name, metadata, tensors) };
}

/** Metadata and tensors of any safetensors file that holds float32 and float64 only. */
export function readSafetensors(
  name: string,
  bytes: Uint8Array,
): { metadata: Record<string, string>; tensors: Map<string, Tensor> } {
  const damaged = (why: string) =>
    new PolicyFileError(`${name} is not a whole safetensors file (${why}); download or train it again.`);
  if (bytes.length < 8) throw damaged(`it has ${bytes.length} bytes`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  if (length > bytes.length - 8) throw damaged(`its header would be ${length} bytes long, it has ${bytes.length}`);
  let entries: unknown;
  try {
    entries = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, 8 + length)));
  } catch {
    throw damaged('its header is not JSON');
  }
  if (!isRecord(entries)) throw damaged('its header is not a table of tensors');
  const { __metadata__: metadata = {}, ...described } = entries;
  if (!isRecord(metadata) || !Object.values(metadata).every((text) => typeof text === 'string')) {
    throw damaged('its metadata are not texts');
  }

  const body = bytes.subarray(8 + length);
  const tensors = new Map<string, Tensor>();
  const parts: [number, number][] = [];
  for (const [key, entry] of Object.entries(described)) {
    if (!isRecord(entry)) throw damaged(`${key} is not described`);
    const { dtype, shape, data_offsets: offsets } = entry;
    if (dtype !== 'F32' && dtype !== 'F64') {
      throw damaged(`${key} is of type ${JSON.stringify(dtype) ?? 'none'}; accepted: F32, F64`);
    }
    if (!isCounts(shape) || !isCounts(offsets) || offsets.length !== 2) throw damaged(`${key} has no shape or place`);
    const [start, end] = offsets;
    const size = shape.reduce((product, n) => product * n, 1) * TYPES[dtype].bytes;
    if (end > body.length || end - start !== size) {
      throw damaged(`${key} should take ${size} bytes, from ${start} to ${end} of ${body.length}`);
    }
    parts.push([start, end]);
    // A copy, because a number must begin at a multiple of its size. Every browser's processor is little-endian, as is
    // the file.
    const { buffer } = Uint8Array.from(body.subarray(start, end));
    tensors.set(key, { dtype, shape, data: dtype === 'F32' ? new Float32Array(buffer) : new Float64Array(buffer) });
  }
  // Tensors lie one after another and fill the file: nothing may hide between or behind them.
  let at = 0;
  for (const [start, end] of parts.sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    if (start !== at) throw damaged(`its tensors do not lie one after another, at byte ${at}`);
    at = end;
  }
  if (at !== body.length) throw damaged(`${body.length - at} bytes lie behind its tensors`);
  return { metadata: metadata as Record<string, string>, tensors };
}

/** Compare the digest; false where the browser offers no SHA-256. */
async function verify(name: string, metadata: Record<string, string>, tensors: Map<string, Tensor>): Promise<boolean> {
  const wanted = metadata.digest ?? metadata.sha256;
  const changed = new PolicyFileError(
    `${name} was changed after it was written (its digest does not match); download or train it again.`,
  );
  if (wanted === undefined) throw changed;
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) return false;
  const described = 'digest' in metadata; // since 0.1 types and shapes are in it too
  const text = new TextEncoder();
  const parts: Uint8Array[] = [text.encode(metadata.header)];
  for (const key of [...tensors.keys()].sort()) {
    const { dtype, shape, data } = tensors.get(key)!;
    const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`; // as Python prints it
    parts.push(text.encode(described ? `\n${key} ${TYPES[dtype].torch} ${tuple}\n` : key));
    parts.push(new Uint8Array(data.buffer));
  }
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  const digest = new Uint8Array(await subtle.digest('SHA-256', whole));
  if ([...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('') !== wanted) throw changed;
  return true;
}

/** Python's json writes NaN and infinities as bare words, which JSON has not: null, and a number too large for any. */
function parsePythonJSON(text: string): unknown {
  // Texts in quotation marks are matched first, and left as they are.
  const word = /"(?:[^"\\]|\\.)*"|\bInfinity\b|\bNaN\b/g;
  return JSON.parse(text.replace(word, (m) => (m[0] === '"' ? m : m === 'NaN' ? 'null' : '1e999')));
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}
