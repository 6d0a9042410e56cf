/** What is around the robot: a floor without end, the sky, the fog between them, and the light. All move with it. */
import {
  BackSide, BufferAttribute, Color, DirectionalLight, Fog, HemisphereLight, Mesh, MeshBasicMaterial, PlaneGeometry,
  type MeshLambertMaterial, type PerspectiveCamera, type Scene, SphereGeometry, type Vector3,
} from 'three';

interface Theme {
  horizon: string; // fog, and the sky where it meets the floor
  zenith: string;
  floor: string; // times the floor's own colours
  sky: number; // strength of the light from all around
  sun: number;
  lamp: number; // at the camera: what is turned to the reader is to be seen
}

const LIGHT: Theme = { horizon: '#eef2f6', zenith: '#8fb8e0', floor: '#ffffff', sky: 1.4, sun: 1.75, lamp: 0.8 };
const DARK: Theme = { horizon: '#1d2733', zenith: '#0b1118', floor: '#525d6c', sky: 0.95, sun: 1.35, lamp: 0.9 };

const SHADOW = 1024; // pixels across
const SHADOW_COARSE = 512;
const FOG_NEAR = 2.5; // in distances of the camera
const FOG_FAR = 9;

export class Surroundings {
  private readonly sun = new DirectionalLight();
  private readonly lamp = new DirectionalLight();
  private readonly sky = new HemisphereLight('#ffffff', '#c4beb4');
  private readonly fog = new Fog('#ffffff');
  private readonly dome: Mesh<SphereGeometry, MeshBasicMaterial>;
  readonly floor: Mesh<PlaneGeometry, MeshLambertMaterial>;
  private readonly sunwards: Vector3; // to the sun, its length the distance at which it stands
  private readonly across: Vector3; // axes of the shadow's picture
  private readonly along: Vector3;
  private readonly pixel: number; // m of the shadow's picture

  /**
   * `radius`: m around the target that casts shadows; `behind`: from the target to where the camera starts; the floor
   * lies at height `ground`, its pattern repeats after `period` m.
   */
  constructor(
    scene: Scene,
    material: MeshLambertMaterial,
    private readonly period: number,
    private readonly ground: number,
    radius: number,
    behind: Vector3,
    shadows: boolean,
    coarse: boolean,
  ) {
    const repeats = 2 * Math.ceil((50 * behind.length()) / period); // on each side
    const size = 2 * repeats * period;
    const plane = new PlaneGeometry(size, size);
    const { uv } = plane.attributes;
    for (let i = 0; i < uv.count; i++) uv.setXY(i, uv.getX(i) * 2 * repeats, uv.getY(i) * 2 * repeats);
    this.floor = new Mesh(plane, material);
    this.floor.receiveShadow = shadows;
    this.floor.frustumCulled = false;

    const ball = new SphereGeometry(1, 24, 24).rotateX(Math.PI / 2);
    ball.setAttribute('color', new BufferAttribute(new Float32Array(3 * ball.attributes.position.count), 3));
    this.dome = new Mesh(
      ball, new MeshBasicMaterial({ vertexColors: true, side: BackSide, depthWrite: false, fog: false }),
    );
    this.dome.renderOrder = -1;
    this.dome.frustumCulled = false;

    // The sun stands high, behind the camera's left shoulder, so that shadows fall to where they are seen.
    const back = behind.clone().setZ(0).normalize();
    const left = back.clone().set(back.y, -back.x, 0);
    this.sunwards = back.clone().multiplyScalar(0.4).addScaledVector(left, 0.45).setZ(1).normalize();
    this.across = left.clone().cross(this.sunwards).normalize();
    this.along = this.sunwards.clone().cross(this.across);
    this.sunwards.multiplyScalar(4 * radius);
    const pixels = coarse ? SHADOW_COARSE : SHADOW;
    this.pixel = (2 * radius) / pixels;
    this.sun.castShadow = shadows;
    const { shadow } = this.sun;
    shadow.mapSize.set(pixels, pixels);
    Object.assign(shadow.camera, { left: -radius, right: radius, top: radius, bottom: -radius });
    Object.assign(shadow.camera, { near: 0.5 * radius, far: 8 * radius });
    shadow.camera.up.copy(this.along);
    shadow.radius = 2.2;
    shadow.bias = -0.0004;
    shadow.normalBias = 1.5 * this.pixel;

    this.sky.position.set(0, 0, 1);
    scene.fog = this.fog;
    scene.add(this.floor, this.dome, this.sky, this.sun, this.sun.target, this.lamp, this.lamp.target);
  }

  get shadows(): boolean { return this.sun.castShadow; }
  set shadows(cast: boolean) { this.sun.castShadow = cast; }

  setDark(dark: boolean): void {
    const theme = dark ? DARK : LIGHT;
    this.sky.intensity = theme.sky;
    this.sun.intensity = theme.sun;
    this.lamp.intensity = theme.lamp;
    this.fog.color.set(theme.horizon);
    this.floor.material.color.set(theme.floor);
    const [horizon, zenith, mixed] = [new Color(theme.horizon), new Color(theme.zenith), new Color()];
    const { position, color } = this.dome.geometry.attributes;
    for (let i = 0; i < position.count; i++) {
      const height = Math.max(position.getZ(i), 0);
      mixed.lerpColors(horizon, zenith, 1 - (1 - height) ** 1.6);
      color.setXYZ(i, mixed.r, mixed.g, mixed.b);
    }
    color.needsUpdate = true;
  }

  /** Before each picture: everything back around `target`. */
  follow(camera: PerspectiveCamera, target: Vector3): void {
    const distance = camera.position.distanceTo(target);
    this.fog.near = FOG_NEAR * distance;
    this.fog.far = FOG_FAR * distance;
    camera.near = 0.03 * distance;
    camera.far = 1.2 * this.fog.far;
    camera.updateProjectionMatrix();
    this.lamp.position.copy(camera.position);
    this.lamp.target.position.copy(target);
    this.dome.position.copy(camera.position);
    this.dome.scale.setScalar(this.fog.far);
    // In whole periods: so nobody sees that it moves.
    const { period } = this;
    const [x, y] = [Math.round(target.x / period) * period, Math.round(target.y / period) * period];
    this.floor.position.set(x, y, this.ground);
    // And the shadow in whole pixels of its picture, lest its edges crawl.
    const { sun, pixel } = this;
    const [a, b] = [target.dot(this.across), target.dot(this.along)];
    sun.target.position.copy(target)
      .addScaledVector(this.across, Math.round(a / pixel) * pixel - a)
      .addScaledVector(this.along, Math.round(b / pixel) * pixel - b);
    sun.position.copy(sun.target.position).add(this.sunwards);
  }

  dispose(): void {
    this.floor.geometry.dispose(); // its material belongs to the look
    this.dome.geometry.dispose();
    this.dome.material.dispose();
    this.sun.dispose(); // with the shadow's picture
  }
}
