/** The shapes of MuJoCo as geometries of three.js, each in the frame of its geom (z is the long axis). */
import {
  BoxGeometry, BufferAttribute, BufferGeometry, CapsuleGeometry, CylinderGeometry, PlaneGeometry, SphereGeometry,
} from 'three';
import type { MjModel } from '@mujoco/mujoco';

export const PLANE = 0; // mjtGeom
export const HFIELD = 1;
export const SPHERE = 2;
export const CAPSULE = 3;
export const ELLIPSOID = 4;
export const CYLINDER = 5;
export const BOX = 6;
export const MESH = 7;
export const SDF = 8; // comes with a mesh, too

const THIN = 0.003; // m: half height of a box that is but a sheet

/** How a texture lies on a shape: "flat" is projected along z, "cube" has one picture a side. */
export interface Wrap {
  kind: 'flat' | 'cube';
  repeat: [number, number]; // of "flat": pictures in a metre
}

/** Null for what has no shape of its own (mjGEOM_NONE and the like). */
export function geometryOf(
  model: MjModel, type: number, size: ArrayLike<number>, dataid: number, wrap?: Wrap,
): BufferGeometry | null {
  const made = shape(model, type, size, dataid, wrap);
  const spread = (type === MESH || type === SDF) && made?.hasAttribute('uv'); // a mesh may bring its own
  if (made && wrap?.kind === 'flat' && !spread) flat(made, wrap.repeat);
  return made;
}

function shape(
  model: MjModel, type: number, size: ArrayLike<number>, dataid: number, wrap?: Wrap,
): BufferGeometry | null {
  const [a, b, c] = [size[0], size[1], size[2]];
  switch (type) {
    case PLANE: return new PlaneGeometry(2 * (a || 50), 2 * (b || 50));
    case HFIELD: return dataid >= 0 ? heights(model, dataid) : null;
    case SPHERE: return wrap?.kind === 'cube' ? quilt(a) : new SphereGeometry(a, 20, 12).rotateX(Math.PI / 2);
    case CAPSULE: return new CapsuleGeometry(a, 2 * b, 5, 18, 1).rotateX(Math.PI / 2);
    case ELLIPSOID: return new SphereGeometry(1, 24, 16).rotateX(Math.PI / 2).scale(a, b, c);
    case CYLINDER: return new CylinderGeometry(a, a, 2 * b, 24, 1).rotateX(Math.PI / 2);
    case BOX:
      // Sides of 50 m by 2 mm (a line on the ground) come out as dots in front of everything: draw the top alone.
      if (c < THIN && Math.max(a, b) > 500 * c) return new PlaneGeometry(2 * a, 2 * b).translate(0, 0, c);
      return new BoxGeometry(2 * a, 2 * b, 2 * c);
    case MESH:
    case SDF: return dataid >= 0 ? triangles(model, dataid) : null;
    default: return null;
  }
}

/** A sphere blown up from a box, so that each of six sides carries the picture once: a rolling ball is seen to roll. */
function quilt(radius: number): BufferGeometry {
  const made = new BoxGeometry(2, 2, 2, 12, 12, 12);
  made.clearGroups();
  const { position, normal } = made.attributes;
  for (let i = 0; i < position.count; i++) {
    // The tangent makes the squares about equally large all over the ball.
    const [x, y, z] = [position.getX(i), position.getY(i), position.getZ(i)].map((v) => Math.tan((v * Math.PI) / 4));
    const n = Math.hypot(x, y, z);
    normal.setXYZ(i, x / n, y / n, z / n);
    position.setXYZ(i, (radius * x) / n, (radius * y) / n, (radius * z) / n);
  }
  return made;
}

function flat(made: BufferGeometry, [across, along]: [number, number]): void {
  const { position, uv } = made.attributes;
  const spread = uv ?? new BufferAttribute(new Float32Array(2 * position.count), 2);
  for (let i = 0; i < position.count; i++) spread.setXY(i, position.getX(i) * across, position.getY(i) * along);
  made.setAttribute('uv', spread);
}

function triangles(model: MjModel, mesh: number): BufferGeometry {
  const corners = 3 * model.mesh_facenum[mesh];
  const first = 3 * model.mesh_faceadr[mesh];
  const position = new Float32Array(3 * corners);
  const normal = new Float32Array(3 * corners);
  const textured = model.mesh_texcoordnum[mesh] > 0;
  const uv = new Float32Array(textured ? 2 * corners : 0);
  // Each view is asked for once: asking makes a new one.
  const { mesh_face, mesh_vert, mesh_facenormal, mesh_normal } = model;
  const vert = 3 * model.mesh_vertadr[mesh];
  const norm = 3 * model.mesh_normaladr[mesh];
  for (let i = 0; i < corners; i++) {
    const [v, n] = [vert + 3 * mesh_face[first + i], norm + 3 * mesh_facenormal[first + i]];
    for (let k = 0; k < 3; k++) {
      position[3 * i + k] = mesh_vert[v + k];
      normal[3 * i + k] = mesh_normal[n + k];
    }
  }
  if (textured) {
    const { mesh_facetexcoord, mesh_texcoord } = model;
    const start = model.mesh_texcoordadr[mesh];
    for (let i = 0; i < corners; i++) {
      const t = 2 * (start + mesh_facetexcoord[first + i]);
      uv[2 * i] = mesh_texcoord[t];
      uv[2 * i + 1] = mesh_texcoord[t + 1];
    }
  }
  const made = new BufferGeometry();
  made.setAttribute('position', new BufferAttribute(position, 3));
  made.setAttribute('normal', new BufferAttribute(normal, 3));
  if (textured) made.setAttribute('uv', new BufferAttribute(uv, 2));
  return made;
}

/** Only the surface; the block below it is never seen. Heights are read once, when the stage is made. */
function heights(model: MjModel, field: number): BufferGeometry {
  const [rows, columns] = [model.hfield_nrow[field], model.hfield_ncol[field]];
  const [x, y, top] = model.hfield_size.subarray(4 * field, 4 * field + 3);
  const data = model.hfield_data;
  const start = model.hfield_adr[field];
  const made = new PlaneGeometry(2 * x, 2 * y, columns - 1, rows - 1);
  const { position } = made.attributes;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      // three.js counts rows from +y downwards, MuJoCo from -y upwards.
      position.setZ((rows - 1 - row) * columns + column, top * data[start + row * columns + column]);
    }
  }
  made.computeVertexNormals();
  return made;
}
