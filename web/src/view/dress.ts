/**
 * What the geoms of a model look like: colours, materials and textures.
 *
 * As in the course's videos (course_lib/render/camera.py), a model that brings no look of its own, neither meshes nor a
 * remark "keep_look", gets a soft floor and one colour a limb, so that a gait can be read.
 */
import {
  DataTexture, DoubleSide, LinearFilter, LinearMipmapLinearFilter, type Material, MeshLambertMaterial,
  MeshStandardMaterial, RepeatWrapping, SRGBColorSpace, type Texture,
} from 'three';
import type { Physics } from '../physics';
import { HFIELD, PLANE, type Wrap } from './geoms';

const ROLES = 10; // mjNTEXROLE: entries of mat_texid for each material
const RGB = 1; // mjTEXROLE_RGB
const FLAT_TEXTURE = 0; // mjTEXTURE_2D
const GREY = 0.5; // geom_rgba where an MJCF does not say: then the material's colour counts

// One colour a limb: the order of Okabe and Ito, told apart by every kind of colour vision.
const LIMBS = [[0, 0.45, 0.7], [0.9, 0.45, 0.05], [0, 0.62, 0.45], [0.8, 0.47, 0.65], [0.34, 0.71, 0.91]];
const TRUNK = [0.93, 0.76, 0.35];
const FIXED = [0.55, 0.6, 0.66];
const FLOOR = [[0.62, 0.66, 0.7], [0.78, 0.81, 0.84]]; // darker and lighter tiles
const TILE = 0.5; // m, where the model does not say

export type Rgba = [number, number, number, number];

/** What a model says in `<custom><numeric name=… data=…/>`, the place for remarks that MuJoCo itself ignores. */
export function says({ model }: Physics, name: string): number | undefined {
  // mj_name2id is the engine's, which a physics keeps to itself; but all names are in one block, each ended by a 0.
  for (let i = 0; i < model.nnumeric; i++) {
    if (nameAt(model.names, model.name_numericadr[i]) === name) return model.numeric_data[model.numeric_adr[i]];
  }
  return undefined;
}

function nameAt(names: ArrayLike<number>, start: number): string {
  let text = '';
  for (let i = start; names[i]; i++) text += String.fromCharCode(names[i]);
  return text;
}

/** For each body: -2 world, -1 trunk, else the number of the limb it belongs to. */
export function limbsOf(parents: ArrayLike<number>, dofs: ArrayLike<number>): number[] {
  const limb = new Array<number>(parents.length).fill(-2);
  const children = new Array<number>(parents.length).fill(0);
  for (let body = 1; body < parents.length; body++) if (parents[body]) children[parents[body]] += 1;
  const chain = Math.max(...children) === 1; // one limb only: then each link gets its colour
  let count = 0;
  for (let body = 1; body < parents.length; body++) {
    const parent = parents[body];
    if (parent === 0) limb[body] = dofs[body] === 0 ? -2 : limb.includes(-1) ? 1 : -1;
    else limb[body] = chain || limb[parent] === -1 ? count++ : limb[parent];
  }
  return limb;
}

export class Dress {
  /** The model has a look of its own. */
  readonly own: boolean;
  private readonly limbs: number[];
  private readonly materials = new Map<string, Material>();
  private readonly textures = new Map<number, Texture>();

  /** `coarse`: plainer, for where the processor draws. */
  constructor(private readonly physics: Physics, private readonly coarse: boolean) {
    const { model } = physics;
    this.own = model.nmesh > 0 || !!says(physics, 'keep_look');
    this.limbs = limbsOf(model.body_parentid, model.body_dofnum);
  }

  /** Colour of geom `id`, from 0 to 1. */
  geomColour(id: number): Rgba {
    const { model } = this.physics;
    const said = rgbaOf(model.geom_rgba, id);
    if (!this.own && model.geom_type[id] !== PLANE && said[3] > 0) {
      const limb = this.limbs[model.geom_bodyid[id]];
      const [r, g, b] = limb === -2 ? FIXED : limb === -1 ? TRUNK : LIMBS[limb % LIMBS.length];
      return [r, g, b, 1];
    }
    return this.mixed(said, model.geom_matid[id]);
  }

  siteColour(id: number): Rgba {
    return this.mixed(rgbaOf(this.physics.model.site_rgba, id), this.physics.model.site_matid[id]);
  }

  /** MuJoCo's rule: a colour that is not the default one overrides the material's. */
  private mixed(said: Rgba, matid: number): Rgba {
    const unsaid = said[0] === GREY && said[1] === GREY && said[2] === GREY && said[3] === 1;
    return matid >= 0 && unsaid ? rgbaOf(this.physics.model.mat_rgba, matid) : said;
  }

  /** How the texture of material `matid` lies on a shape, where one is drawn. */
  wrap(matid: number, type: number): Wrap | undefined {
    const texture = this.own || type === PLANE ? this.textureOf(matid) : -1;
    if (texture < 0) return undefined;
    const { model } = this.physics;
    // `mat_texuniform` cannot be read in JavaScript (an array of bool); all textured shapes of the course are uniform.
    const repeat = model.mat_texrepeat.subarray(2 * matid, 2 * matid + 2);
    return { kind: model.tex_type[texture] === FLAT_TEXTURE ? 'flat' : 'cube', repeat: [repeat[0], repeat[1]] };
  }

  material(rgba: Rgba, matid: number, type: number): Material {
    const key = `${rgba.join()} ${matid} ${type === PLANE} ${type === HFIELD}`;
    let made = this.materials.get(key);
    if (!made) this.materials.set(key, (made = this.make(rgba, matid, type)));
    return made;
  }

  private make(rgba: Rgba, matid: number, type: number): Material {
    const { model } = this.physics;
    const known = matid >= 0 && (this.own || type === PLANE);
    const shine = known ? model.mat_shininess[matid] * Math.min(2 * model.mat_specular[matid], 1) : 0.4;
    const texture = known ? this.textureOf(matid) : -1;
    const made = this.coarse
      ? new MeshLambertMaterial()
      : new MeshStandardMaterial({ metalness: 0, roughness: 0.85 - 0.5 * shine });
    made.color.setRGB(rgba[0], rgba[1], rgba[2], SRGBColorSpace);
    if (known) made.emissive.copy(made.color).multiplyScalar(model.mat_emission[matid]);
    if (texture >= 0) made.map = this.picture(texture);
    if (rgba[3] < 1) Object.assign(made, { transparent: true, opacity: rgba[3], depthWrite: false });
    if (type === PLANE || type === HFIELD) made.side = DoubleSide;
    return made;
  }

  /** The floor without an end: its material and the width of its pattern, m. `geom`: the one it stands for, if any. */
  floor(geom: number | null): { material: MeshLambertMaterial; period: number } {
    const made = new MeshLambertMaterial();
    this.materials.set('floor', made);
    const { model } = this.physics;
    const matid = geom === null ? -1 : model.geom_matid[geom];
    const texture = this.textureOf(matid);
    if (texture >= 0 && model.tex_type[texture] === FLAT_TEXTURE) {
      made.map = this.picture(texture, this.own ? undefined : FLOOR);
      // A floor of infinite size counts its pictures in a metre, another one in all (see `wrap`).
      const half = model.geom_size[3 * geom!];
      return { material: made, period: (half > 0 ? 2 * half : 1) / Math.max(model.mat_texrepeat[2 * matid], 1e-6) };
    }
    made.map = checker(geom === null || !this.own ? FLOOR[1] : this.geomColour(geom), this.coarse);
    this.textures.set(-1, made.map);
    return { material: made, period: 2 * TILE };
  }

  private textureOf(matid: number): number {
    return matid < 0 ? -1 : this.physics.model.mat_texid[matid * ROLES + RGB];
  }

  /** Texture `id`, or the first side of a cube; with `colours`, its brightness mapped to between the two. */
  private picture(id: number, colours?: number[][]): Texture {
    const kept = this.textures.get(id);
    if (kept) return kept;
    const { model } = this.physics;
    const width = model.tex_width[id];
    const height = model.tex_type[id] === FLAT_TEXTURE ? model.tex_height[id] : width;
    const channels = model.tex_nchannel[id];
    const from: Uint8Array = model.tex_data.subarray(model.tex_adr[id], model.tex_adr[id] + width * height * channels);
    const brightest = from.reduce((most, value) => Math.max(most, value), 1);
    const pixels = new Uint8Array(4 * width * height).fill(255);
    for (let i = 0; i < width * height; i++) {
      const at = i * channels;
      const light = from[at] / brightest;
      for (let k = 0; k < 3; k++) {
        pixels[4 * i + k] = colours
          ? 255 * (colours[0][k] + light * (colours[1][k] - colours[0][k]))
          : from[at + (channels < 3 ? 0 : k)];
      }
    }
    const made = tiled(pixels, width, height, this.coarse);
    this.textures.set(id, made);
    return made;
  }

  dispose(): void {
    for (const material of this.materials.values()) material.dispose();
    for (const texture of this.textures.values()) texture.dispose();
  }
}

function rgbaOf(values: ArrayLike<number>, id: number): Rgba {
  return [values[4 * id], values[4 * id + 1], values[4 * id + 2], values[4 * id + 3]];
}

/** Two by two tiles of one colour and a slightly darker one. */
function checker([r, g, b]: ArrayLike<number> & Iterable<number>, coarse: boolean): Texture {
  const size = 64;
  const pixels = new Uint8Array(4 * size * size).fill(255);
  for (let i = 0; i < size * size; i++) {
    const shade = (i % size < size / 2) === (i < (size * size) / 2) ? 1 : 0.88;
    pixels.set([255 * shade * r, 255 * shade * g, 255 * shade * b], 4 * i);
  }
  return tiled(pixels, size, size, coarse);
}

function tiled(pixels: Uint8Array, width: number, height: number, coarse: boolean): Texture {
  const made = new DataTexture(pixels, width, height);
  made.colorSpace = SRGBColorSpace;
  made.wrapS = made.wrapT = RepeatWrapping;
  made.magFilter = LinearFilter;
  made.minFilter = LinearMipmapLinearFilter; // without it, far tiles flicker
  made.anisotropy = coarse ? 1 : 8; // sharp towards the horizon
  made.generateMipmaps = true;
  made.needsUpdate = true;
  return made;
}
